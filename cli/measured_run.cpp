#include "cli/measured_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "hardware/sensors/nvml.hpp"
#include "models/core/input_error.hpp"
#include "models/core/text.hpp"

namespace pretrain::cli {

namespace {

using Json = nlohmann::ordered_json;

std::string hash_of(const std::string& text) {
  if (text.empty()) return {};
  return fmt::format("{:016x}", fnv1a(text));
}

void put(Json& json, const char* key, const std::optional<double>& value) {
  if (value) json[key] = *value;
}
void put(Json& json, const char* key, const std::string& text) {
  if (!text.empty()) json[key] = text;
}

std::optional<double> number(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_number() ? std::optional{found->get<double>()}
                                                   : std::nullopt;
}
std::string text(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string{};
}
bool flag(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_boolean() && found->get<bool>();
}

Json json_of(const MeasuredSource& s) {
  Json json{{"id", s.id}, {"kind", s.kind}};
  put(json, "name", s.name);
  put(json, "uuid_hash", s.uuid_hash);
  put(json, "scope", s.scope);
  put(json, "note", s.note);
  json["method"] = s.method;
  json["covered_s"] = s.covered_s;
  json["gap_s"] = s.gap_s;
  put(json, "energy_j", s.energy_j);
  put(json, "by_counter_j", s.by_counter_j);
  put(json, "by_power_j", s.by_power_j);
  put(json, "power_w", s.power_w);
  put(json, "max_power_w", s.max_power_w);
  put(json, "limit_w", s.limit_w);
  put(json, "clock_mhz", s.clock_mhz);
  put(json, "temperature_c", s.temperature_c);
  put(json, "throttled", s.throttled);
  if (s.wraps > 0) json["wraps"] = s.wraps;
  if (s.resets > 0) json["resets"] = s.resets;
  if (s.lost) json["lost"] = true;
  if (s.contended) json["contended"] = true;
  return json;
}

MeasuredSource source_of(const Json& json) {
  MeasuredSource s;
  s.id = text(json, "id");
  s.kind = text(json, "kind");
  s.name = text(json, "name");
  s.uuid_hash = text(json, "uuid_hash");
  s.scope = text(json, "scope");
  s.note = text(json, "note");
  s.method = text(json, "method");
  s.covered_s = number(json, "covered_s").value_or(0);
  s.gap_s = number(json, "gap_s").value_or(0);
  s.energy_j = number(json, "energy_j");
  s.by_counter_j = number(json, "by_counter_j");
  s.by_power_j = number(json, "by_power_j");
  s.power_w = number(json, "power_w");
  s.max_power_w = number(json, "max_power_w");
  s.limit_w = number(json, "limit_w");
  s.clock_mhz = number(json, "clock_mhz");
  s.temperature_c = number(json, "temperature_c");
  s.throttled = text(json, "throttled");
  s.wraps = static_cast<unsigned>(number(json, "wraps").value_or(0));
  s.resets = static_cast<unsigned>(number(json, "resets").value_or(0));
  s.lost = flag(json, "lost");
  s.contended = flag(json, "contended");
  return s;
}

}  // namespace

MeasuredSource measured_source(const hardware::SourceUsage& source) {
  const auto& [info, u] = source;
  MeasuredSource s;
  s.id = info.id;
  s.kind = info.kind;
  s.name = info.name;
  s.uuid_hash = hash_of(info.uuid);
  s.scope = info.scope;
  s.note = info.note;
  s.method = u.method();
  s.covered_s = u.covered.in(second);
  s.gap_s = u.gap.in(second);
  const auto joules = [](const std::optional<Energy>& e) {
    return e ? std::optional{e->in(joule)} : std::nullopt;
  };
  const auto watts = [](const std::optional<Power>& p) {
    return p ? std::optional{p->in(watt)} : std::nullopt;
  };
  s.energy_j = joules(u.energy);
  s.by_counter_j = joules(u.by_counter);
  s.by_power_j = joules(u.by_power);
  if (s.energy_j && s.covered_s > 0) s.power_w = *s.energy_j / s.covered_s;
  s.max_power_w = watts(u.most);
  s.limit_w = watts(u.limit);
  s.clock_mhz = u.clock_mhz;
  s.temperature_c = u.temperature_c;
  s.throttled = hardware::throttle_text(u.throttled);
  s.wraps = u.wraps;
  s.resets = u.resets;
  s.lost = u.lost;
  s.contended = u.contended;
  return s;
}

std::optional<double> MeasuredRun::energy_j(std::string_view kind) const {
  std::optional<double> sum;
  for (const auto& s : sources) {
    if (s.kind != kind) continue;
    if (!s.energy_j) return std::nullopt;
    sum = sum.value_or(0) + *s.energy_j;
  }
  return sum;
}

std::optional<double> MeasuredRun::energy_j() const {
  std::optional<double> sum;
  for (const auto& s : sources) {
    if (s.energy_j) sum = sum.value_or(0) + *s.energy_j;
  }
  return sum;
}

std::size_t MeasuredRun::count(std::string_view kind) const {
  return static_cast<std::size_t>(
      std::count_if(sources.begin(), sources.end(), [&](auto& s) { return s.kind == kind; }));
}

double MeasuredRun::gap_s() const {
  double gap = 0;
  for (const auto& s : sources) gap = std::max(gap, s.gap_s);
  return gap;
}

bool MeasuredRun::contended() const {
  return std::any_of(sources.begin(), sources.end(), [](auto& s) { return s.contended; });
}

Json json_of(const MeasuredRun& run) {
  Json json{{"program", run.program}};
  put(json, "name", run.name);
  json["started"] = run.started;
  json["seconds"] = run.seconds;
  if (run.exit_code) json["exit_code"] = *run.exit_code;
  json["rank"] = run.rank;
  json["ranks"] = run.ranks;
  put(json, "driver", run.driver);
  put(json, "energy_j", run.energy_j());
  put(json, "steps", run.steps);
  put(json, "total_steps", run.total_steps);
  put(json, "step_s", run.step_s);
  put(json, "step_j", run.step_j);
  put(json, "tokens_per_step", run.tokens_per_step);
  if (run.clock_jump_s != 0) json["clock_jump_s"] = run.clock_jump_s;
  json["sources"] = Json::array();
  for (const auto& s : run.sources) json["sources"].push_back(json_of(s));
  json["absent"] = run.absent;
  return json;
}

MeasuredRun measured_run_of(const Json& json, const std::string& file) {
  if (!json.is_object() || !json.contains("sources") || !json["sources"].is_array()) {
    throw InputError({file, 0, 0}, "not written by `planner measure`",
                     "give files that it wrote: measured-*.jsonl");
  }
  MeasuredRun run;
  run.program = text(json, "program");
  run.name = text(json, "name");
  run.started = text(json, "started");
  run.seconds = number(json, "seconds").value_or(0);
  if (const auto code = number(json, "exit_code")) run.exit_code = static_cast<int>(*code);
  run.rank = static_cast<int>(number(json, "rank").value_or(0));
  run.ranks = static_cast<int>(number(json, "ranks").value_or(1));
  run.driver = text(json, "driver");
  run.steps = number(json, "steps");
  run.total_steps = number(json, "total_steps");
  run.step_s = number(json, "step_s");
  run.step_j = number(json, "step_j");
  run.tokens_per_step = number(json, "tokens_per_step");
  run.clock_jump_s = number(json, "clock_jump_s").value_or(0);
  for (const auto& source : json["sources"]) run.sources.push_back(source_of(source));
  if (const auto absent = json.find("absent"); absent != json.end() && absent->is_array()) {
    for (const auto& one : *absent) {
      if (one.is_string()) run.absent.push_back(one.get<std::string>());
    }
  }
  return run;
}

MeasuredRun merged(const std::vector<MeasuredRun>& runs) {
  MeasuredRun all;
  if (runs.empty()) return all;
  all.program = runs.front().program;
  all.name = runs.front().name;
  all.driver = runs.front().driver;
  all.ranks = 0;
  all.exit_code = 0;
  std::set<std::string> seen;
  double step_j = 0;
  bool every = true;
  for (const auto& run : runs) {
    all.ranks += run.ranks;
    if (all.started.empty() || (!run.started.empty() && run.started < all.started)) {
      all.started = run.started;
    }
    all.seconds = std::max(all.seconds, run.seconds);
    if (!run.exit_code) {
      all.exit_code.reset();
    } else if (all.exit_code && *run.exit_code != 0) {
      all.exit_code = run.exit_code;
    }
    if (!all.steps && run.steps) {
      all.steps = run.steps;
      all.total_steps = run.total_steps;
      all.step_s = run.step_s;
      all.tokens_per_step = run.tokens_per_step;
    }
    step_j += run.step_j.value_or(0);
    every = every && run.step_j.has_value();
    for (auto source : run.sources) {
      if (!source.uuid_hash.empty() && !seen.insert(source.uuid_hash).second) continue;
      source.id = runs.size() > 1 ? fmt::format("{}.{}", run.rank, source.id) : source.id;
      all.sources.push_back(std::move(source));
    }
    for (const auto& what : run.absent) {
      if (std::find(all.absent.begin(), all.absent.end(), what) == all.absent.end()) {
        all.absent.push_back(what);
      }
    }
  }
  if (every) all.step_j = step_j;
  return all;
}

}  // namespace pretrain::cli
