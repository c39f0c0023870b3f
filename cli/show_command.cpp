#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/breakdown.hpp"
#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/options.hpp"
#include "cli/text_table.hpp"
#include "models/core/number.hpp"
#include "models/core/text.hpp"
#include "models/parameters.hpp"
#include "models/training_compute.hpp"

namespace pretrain::cli {

namespace {

using Json = nlohmann::ordered_json;
using models::Architecture;
using models::Field;
using models::FlopConvention;

/// A count with its digits in threes: an exact number of parameters is read digit by digit.
std::string digits(double value) {
  std::string text = fmt::format("{:.0f}", value);
  for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3) {
    text.insert(static_cast<std::size_t>(at), ",");
  }
  return text;
}

/// The dimensions in one sentence.
std::string dimensions(const Architecture& a) {
  std::string text = fmt::format("{}: {:g} layers", name_of(a.type), a.layers);
  if (a.decoder_layers > 0) text += fmt::format(" ({:g} of them in the decoder)", a.decoder_layers);
  text += fmt::format(" of width {:g}; {:g} heads of {:g}", a.hidden, a.heads, a.head_dim);
  if (a.latent()) {
    text += fmt::format(" + {:g}, latent attention of rank {:g}", a.rope_head_dim, a.kv_lora_rank);
  } else if (a.kv_heads != a.heads) {
    text += fmt::format(", {:g} for keys and values", a.kv_heads);
  }
  if (a.hybrid()) text += fmt::format(" in {:g} layers", a.attention_blocks());
  if (a.ssm_layers > 0) {
    text += fmt::format("; {} {:g} wide with a state of {:g} in {:g} layers",
                        name_of(a.state_space), a.ssm_inner, a.ssm_state, a.ssm_layers);
  }
  if (a.window > 0) {
    text += fmt::format("; a window of {:g} tokens in {:.0f}% of the layers", a.window,
                        100 * a.window_share);
  }
  const std::string gate = a.gated ? "gated " : "";
  if (a.dense_layers() > 0) {
    text += fmt::format("; {}feed-forward layers of {:g}", gate, a.ffn_hidden);
    if (a.dense_layers() < a.layers) text += fmt::format(" in {:g} layers", a.dense_layers());
  }
  if (a.moe_layers > 0) {
    text += fmt::format("; {:g} of {:g} {}experts of {:g} in {:g} layers", a.experts_per_token,
                        a.experts, gate, a.expert_ffn_hidden, a.moe_layers);
    if (a.expert_latent > 0) text += fmt::format(" on a latent width of {:g}", a.expert_latent);
    if (a.shared_ffn_hidden > 0) text += fmt::format(", {:g} shared", a.shared_ffn_hidden);
  }
  if (a.vocab > 0) {
    text += fmt::format("; vocabulary of {:g}", a.vocab);
    if (a.causal() || a.decoder_layers > 0) {
      text += a.tied ? ", one matrix in and out" : ", a matrix in and one out";
    }
  }
  return text;
}

struct Shown {
  std::string name;
  Architecture architecture;
  std::vector<std::string> notes;
  double seq_len = 0;
};

struct ShowCommand {
  std::vector<std::string> names;
  std::string seq_len_text;
  std::string format = "table";
  std::string output;
  std::string data;

  Exit run() const {
    const double seq_len = stated_length();
    const auto catalogue = open_catalogue(data);
    std::string text;
    Json list = Json::array();
    for (const auto& name : names) {
      const Shown shown = look_up(*catalogue, name, seq_len);
      if (format == "json") {
        list.push_back(as_json(shown));
        continue;
      }
      if (!text.empty()) text += "\n";
      text += as_text(shown);
    }
    if (format == "json") text = list.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
    write_answer(output, text);
    return Exit::ok;
  }

  /// 0 when it is not stated.
  double stated_length() const {
    if (seq_len_text.empty()) return 0;
    const auto number = parse_count(seq_len_text);
    constexpr double kLongest = 1e9;
    if (!number.ok() || number.value < 1 || number.value > kLongest) {
      throw InputError({"--seq-len", 0, 0},
                       fmt::format("'{}' is no number of tokens", shortened(seq_len_text)),
                       "write the number, 8192");
    }
    return number.value;
  }

  static Shown look_up(const planner::Catalogue& catalogue, const std::string& name,
                       double seq_len) {
    const auto& named = catalogue.architecture_library().find(name);
    if (named.problem) throw InputError({*named.problem});
    if (named.spec == nullptr) {
      throw InputError(
          {"show", 0, 0}, fmt::format("unknown architecture '{}'", shortened(name)),
          fmt::format("did you mean {}? `planner list architectures` shows all; a "
                      "file is named with its folder or ending",
                      quoted_list(nearest(catalogue.architectures().names(), name, 3), "or")));
    }
    auto completion =
        models::complete(*named.spec, {named.params ? std::optional{*named.params} : std::nullopt});
    if (!completion.usable()) {
      std::string what = completion.what;
      for (std::size_t i = 0; i < models::kFields; ++i) {
        if (!completion.missing[i]) continue;
        what +=
            fmt::format("{}{} is not known", what.empty() ? "" : ", ", models::kFieldInfo[i].name);
      }
      throw InputError({name, 0, 0}, what,
                       completion.help.empty() ? "runs can state params_b and active_params_b"
                                               : completion.help);
    }
    Shown shown{name, completion.architecture, named.warnings, seq_len};
    for (std::size_t i = 0; i < models::kFields; ++i) {
      if (completion.assumed[i]) {
        shown.notes.push_back(
            fmt::format("{} is not known: a usual value is taken", models::kFieldInfo[i].name));
      }
    }
    if (seq_len == 0) {
      const auto& context = (*named.spec)[Field::context];
      const double usual = catalogue.defaults().seq_len.value;
      const auto& d = shown.architecture.details;
      shown.seq_len = context ? std::min(*context, usual) : usual;
      if (shown.architecture.type == models::ModelType::vision && d.position_count > 0) {
        shown.seq_len = d.position_count;
      }
    }
    return shown;
  }

  static Json as_json(const Shown& shown) {
    Json entry{{"name", printable(shown.name)}, {"dimensions", dimensions(shown.architecture)}};
    entry["seq_len"] = shown.seq_len;
    entry["parameters"] = json_parameters(shown.architecture);
    const auto work = models::token_work(shown.architecture, shown.seq_len);
    entry["flop_per_token"] = json_token_work(work, models::FlopConvention::model_causal, {});
    entry["training_flop_per_token"] = json_conventions(
        work, models::parameters(shown.architecture).active(), full_recompute(), 1);
    entry["notes"] = shown.notes;
    return entry;
  }

  static models::TrainingMode full_recompute() {
    models::TrainingMode mode;
    mode.recompute = models::Recompute::full;
    return mode;
  }

  static std::string as_text(const Shown& shown) {
    const auto& a = shown.architecture;
    const auto p = models::parameters(a);
    std::string text = fmt::format("{}\n{}\n", printable(shown.name), dimensions(a));
    for (const auto& note : shown.notes) text += fmt::format("note: {}\n", printable(note));

    TextTable parameters{
        {{"component", "Parameters", false}, {"count", "", true}, {"share", "Share", true}}};
    const auto share = [&](double count) {
      return fmt::format("{:.1f}%", 100 * count / p.total());
    };
    for (const auto& [name, count] : parameter_parts(p)) {
      if (count > 0) parameters.add({std::string{name}, digits(count), share(count)});
    }
    parameters.add({std::string{"total"}, digits(p.total()), std::string{"100%"}});
    if (p.inactive > 0) {
      parameters.add({std::string{"a token meets"}, digits(p.active()), share(p.active())});
    }
    if (a.mtp_layers > 0) {
      const double modules = a.mtp_modules() * models::mtp_parameters(a);
      parameters.add(
          {std::string{"beside: multi-token prediction"}, digits(modules), share(modules)});
    }
    const std::size_t below = 1U + (p.inactive > 0 ? 1U : 0U) + (a.mtp_layers > 0 ? 1U : 0U);
    text += "\n" + parameters.for_people(false, below);

    const auto work = models::token_work(a, shown.seq_len);
    TextTable flops{
        {{"component", fmt::format("GFLOP per token at {:g} tokens", shown.seq_len), false},
         {"forward", "Forward", true},
         {"backward", "Backward", true},
         {"recomputed", "Recomputed (full)", true}}};
    constexpr double kGiga = 1e9;
    double forward = 0;
    double recomputed = 0;
    for (const auto& part : work_parts(work, models::FlopConvention::model_causal)) {
      if (part.forward == 0) continue;
      const double again = part.in_blocks ? part.forward : 0;
      forward += part.forward;
      recomputed += again;
      flops.add({std::string{part.name}, part.forward / kGiga, 2 * part.forward / kGiga,
                 again > 0 ? TextCell{again / kGiga} : TextCell{std::monostate{}}});
    }
    flops.add({std::string{"total"}, forward / kGiga, 2 * forward / kGiga, recomputed / kGiga});
    text += "\n" + flops.for_people(false, 1);

    TextTable conventions{{{"convention", "Training GFLOP per token", false},
                           {"value", "", true},
                           {"ratio", "Over 6 N", true}}};
    const double six_nd = 6 * p.active();
    for (const auto convention : {FlopConvention::six_nd, FlopConvention::model_causal,
                                  FlopConvention::model_full, FlopConvention::hardware}) {
      const double value =
          convention == FlopConvention::six_nd
              ? six_nd
              : models::training_flop_per_token(work, convention, full_recompute());
      conventions.add(
          {std::string{name_of(convention)}, value / kGiga, fmt::format("{:.3f}", value / six_nd)});
    }
    text += "\n" + conventions.for_people(false);
    text += "\nhardware: with full recomputation.\n";
    return text;
  }
};

}  // namespace

void add_show_command(CLI::App& app, Exit& exit) {
  auto command = std::make_shared<ShowCommand>();
  CLI::App* sub = app.add_subcommand(
      "show",
      "Parameters and work of an architecture: a config.json, a YAML file or a shipped name");
  sub->add_option("architecture", command->names,
                  "Path of a config.json or YAML file, or a name of `planner list architectures`")
      ->required();
  sub->add_option("--seq-len", command->seq_len_text,
                  "Tokens of a sequence (else the context of the model, at most the usual length)");
  sub->add_option("--format", command->format, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  sub->add_option("-o,--output", command->output, "Write here, whole or not at all");
  sub->add_option("--data", command->data,
                  "Folder with data tables that replace the program's own");
  sub->callback([command, &exit] { exit = command->run(); });
}

}  // namespace pretrain::cli
