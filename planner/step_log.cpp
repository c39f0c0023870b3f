#include "planner/step_log.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <regex>
#include <utility>

#include "models/core/input_error.hpp"
#include "models/core/text.hpp"

namespace pretrain::planner {

namespace {

constexpr double kMilli = 1e-3;
constexpr std::size_t kLongest = 2000;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// A line without the sequences that color it.
std::string plain(std::string_view line) {
  std::string text;
  text.reserve(line.size());
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\x1b' && i + 1 < line.size() && line[i + 1] == '[') {
      i += 2;
      while (i < line.size() && !(line[i] >= '@' && line[i] <= '~')) ++i;
      continue;
    }
    text += line[i];
  }
  return text;
}

/// The number at the front, with its thousands separated or not; the text is what follows.
std::optional<double> take_number(std::string_view& text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  std::string digits;
  std::size_t used = 0;
  for (; used < text.size(); ++used) {
    const char c = text[used];
    const bool exponent =
        (c == 'e' || c == 'E' ||
         ((c == '+' || c == '-') && !digits.empty() && (digits.back() | 0x20) == 'e'));
    if (is_digit(c) || c == '.' || (exponent && !digits.empty())) {
      digits += c;
    } else if (!(c == ',' && used + 1 < text.size() && is_digit(text[used + 1]) &&
                 !digits.empty())) {
      break;
    }
  }
  if (digits.empty() || !is_digit(digits.front())) return std::nullopt;
  text.remove_prefix(used);
  return std::strtod(digits.c_str(), nullptr);
}

/// The number that follows a word.
std::optional<double> number_after(std::string_view line, std::string_view word) {
  const auto at = line.find(word);
  if (at == std::string_view::npos) return std::nullopt;
  auto rest = line.substr(at + word.size());
  return take_number(rest);
}

/// " iteration       10/     100 | ... | elapsed time per iteration (ms): 1234.5 | ..."; forks have
/// seconds.
std::optional<StepLine> megatron(std::string_view line) {
  const auto at = line.find("iteration ");
  if (at == std::string_view::npos) return std::nullopt;
  auto rest = line.substr(at + std::string_view{"iteration "}.size());
  const auto step = take_number(rest);
  if (!step || rest.empty() || rest.front() != '/') return std::nullopt;
  rest.remove_prefix(1);
  const auto total = take_number(rest);
  if (const auto ms = number_after(line, "elapsed time per iteration (ms):")) {
    return StepLine{*step, total, kMilli * *ms};
  }
  const auto s = number_after(line, "elapsed time per iteration (s):");
  return s ? std::optional{StepLine{*step, total, *s}} : std::nullopt;
}

/// "step: 10  loss: 5.1  ...  tps: 1,234  ..."
std::optional<StepLine> torchtitan(std::string_view line) {
  const auto step = number_after(line, "step: ");
  const bool other = line.find("validate step:") != std::string_view::npos;
  if (!step || other || line.find("loss:") == std::string_view::npos) return std::nullopt;
  return StepLine{*step, {}, {}};
}

/// A bar of tqdm, as the Trainer and Lightning have it: " 5%|#  | 50/1000 [00:12<03:45,  4.2it/s]".
/// Other bars (loading, mapping, evaluation) have a word before.
std::optional<StepLine> progress_bar(std::string_view line) {
  const auto bar = line.find("%|");
  if (bar == std::string_view::npos) return std::nullopt;
  const auto before = trimmed(line.substr(0, bar));
  const bool named = before.find_first_not_of("0123456789. ") != std::string_view::npos;
  if (named && !before.starts_with("Epoch")) return std::nullopt;
  const auto end = line.find('|', bar + 2);
  if (end == std::string_view::npos) return std::nullopt;
  auto rest = line.substr(end + 1);
  const auto step = take_number(rest);
  if (!step || rest.empty() || rest.front() != '/') return std::nullopt;
  rest.remove_prefix(1);
  const auto total = take_number(rest);
  if (!total || rest.find('[') == std::string_view::npos) return std::nullopt;
  return StepLine{*step, total, {}};
}

/// "iter 10: loss 4.2, time 123.4ms, mfu 30.1%"
std::optional<StepLine> nanogpt(std::string_view line) {
  if (!line.starts_with("iter ")) return std::nullopt;
  const auto step = number_after(line, "iter ");
  const auto ms = number_after(line, "time ");
  if (!step || !ms || line.find("loss") == std::string_view::npos) return std::nullopt;
  return StepLine{*step, {}, kMilli * *ms};
}

/// "[Rank 0] step=10, skipped=0, lr=[...], ..."
std::optional<StepLine> deepspeed(std::string_view line) {
  const auto step = number_after(line, "step=");
  if (!step || line.find("skipped=") == std::string_view::npos) return std::nullopt;
  return StepLine{*step, {}, {}};
}

using Read = std::optional<StepLine> (*)(std::string_view);
struct Preset {
  LogKind kind;
  std::string_view name;
  Read read;
};
constexpr std::array<Preset, 5> kPresets{{{LogKind::megatron, "megatron", megatron},
                                          {LogKind::torchtitan, "torchtitan", torchtitan},
                                          {LogKind::nanogpt, "nanogpt", nanogpt},
                                          {LogKind::deepspeed, "deepspeed", deepspeed},
                                          {LogKind::huggingface, "huggingface", progress_bar}}};

}  // namespace

struct StepReader::Pattern {
  std::regex regex;
};

StepReader::StepReader(LogKind kind) : kind_{kind} {}
StepReader::~StepReader() = default;
StepReader::StepReader(StepReader&&) noexcept = default;
StepReader& StepReader::operator=(StepReader&&) noexcept = default;

StepReader StepReader::with_regex(const std::string& pattern) {
  StepReader reader{LogKind::regex};
  try {
    reader.pattern_ = std::make_unique<Pattern>(Pattern{std::regex{pattern}});
  } catch (const std::regex_error&) {
    throw InputError({"--step-regex", 0, 0},
                     fmt::format("'{}' is no regular expression", shortened(pattern)),
                     "write one with the number of the step in parentheses: 'step (\\d+)'");
  }
  return reader;
}

std::optional<StepLine> StepReader::read(std::string_view line) {
  const auto text = plain(line.substr(0, kLongest));
  if (kind_ == LogKind::regex) {
    std::smatch match;
    if (!std::regex_search(text, match, pattern_->regex)) return std::nullopt;
    double step = counted_ + 1;
    if (match.size() > 1 && match[1].matched) {
      const auto group = match[1].str();
      std::string_view rest = group;
      if (const auto number = take_number(rest)) step = *number;
    }
    counted_ = step;
    return StepLine{step, {}, {}};
  }
  for (const auto& preset : kPresets) {
    if (kind_ != LogKind::any && kind_ != preset.kind) continue;
    if (auto found = preset.read(text)) {
      // The first that is found is whose log it is: bars of data loading are not steps, too.
      if (preset.kind != LogKind::huggingface) kind_ = preset.kind;
      return found;
    }
  }
  return std::nullopt;
}

std::optional<LogKind> log_kind_named(std::string_view name) {
  if (name == "any") return LogKind::any;
  for (const auto& preset : kPresets) {
    if (preset.name == name) return preset.kind;
  }
  return std::nullopt;
}

}  // namespace pretrain::planner
