#include "planner/profile.hpp"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "models/core/input_error.hpp"
#include "models/core/text.hpp"
#include "planner/run_writer.hpp"

namespace pretrain::planner {

namespace {

constexpr double kTold = 0.05;

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + "\"";
}

class Reader {
 public:
  Reader(const std::string& text, std::string file) : file_{std::move(file)} {
    try {
      root_ = YAML::Load(text);
    } catch (const YAML::Exception& e) {
      throw InputError({file_, static_cast<std::size_t>(e.mark.line + 1),
                        static_cast<std::size_t>(e.mark.column + 1)},
                       "no YAML: " + e.msg, "give a file that `planner calibrate` wrote");
    }
    if (!root_.IsMap() || !root_["profile"]) {
      throw InputError({file_, 0, 0}, "no profile", "give a file that `planner calibrate` wrote");
    }
  }

  std::string text(const char* key) const {
    const auto node = root_[key];
    return node && node.IsScalar() ? node.Scalar() : std::string{};
  }
  double number(const YAML::Node& node, const std::string& what, double low, double high) const {
    double value = 0;
    if (!node || !node.IsScalar() || !YAML::convert<double>::decode(node, value) ||
        !(value >= low && value <= high)) {
      const auto mark = node ? node.Mark() : YAML::Mark::null_mark();
      throw InputError({file_, mark.line >= 0 ? static_cast<std::size_t>(mark.line + 1) : 0,
                        mark.column >= 0 ? static_cast<std::size_t>(mark.column + 1) : 0},
                       fmt::format("{} is no number from {:g} to {:g}", what, low, high),
                       "calibrate again, or correct it");
    }
    return value;
  }
  double number(const char* key, double low, double high) const {
    return number(root_[key], key, low, high);
  }
  const YAML::Node& root() const { return root_; }

 private:
  std::string file_;
  YAML::Node root_;
};

/// The generation's kind of device.
std::string_view kind_of(const Catalogue& catalogue, const std::string& generation) {
  for (const auto& device : catalogue.devices().all()) {
    if (device.generation == generation) return device.kind;
  }
  return "gpu";
}

const hardware::Device* device_of(const Catalogue& catalogue, const std::string& generation) {
  for (const auto& device : catalogue.devices().all()) {
    if (device.generation == generation) return &device;
  }
  return nullptr;
}

std::string head_of(std::string_view text) {
  std::string head;
  while (text.starts_with('#')) {
    const auto end = std::min(text.find('\n'), text.size() - 1);
    head += text.substr(0, end + 1);
    text.remove_prefix(end + 1);
  }
  return head;
}

/// The table of spreads with another half width of a class: the last cell but one of its row.
std::string with_width(std::string text, models::RunClass run_class, double half_width) {
  const auto row = text.find(fmt::format("\n{},", name_of(run_class)));
  if (row == std::string::npos) return text;
  const auto end = std::min(text.find('\n', row + 1), text.size());
  const auto last = text.rfind(',', end - 1);
  const auto before = text.rfind(',', last - 1);
  return text.replace(before + 1, last - before - 1, fmt::format("{:.4f}", half_width));
}

/// The table with another cell in the row of an id.
std::string with_cell(std::string text, std::string_view id, std::string_view column,
                      const std::string& value) {
  // Cells are quoted where a comma or a quote stands in them.
  const auto cell_end = [&](std::size_t from) {
    bool quoted = false;
    while (from < text.size() && text[from] != '\n' && (quoted || text[from] != ',')) {
      quoted = quoted != (text[from] == '"');
      ++from;
    }
    return from;
  };
  std::size_t at = head_of(text).size();
  std::size_t place = 0;
  for (std::size_t from = at;; ++place) {
    const auto end = cell_end(from);
    if (std::string_view{text}.substr(from, end - from) == column) break;
    if (end >= text.size() || text[end] == '\n') return text;
    from = end + 1;
  }
  at = text.find("\n" + std::string{id} + ",");
  if (at == std::string::npos) return text;
  for (++at; place > 0; --place) at = cell_end(at) + 1;
  return text.replace(at, cell_end(at) - at, value);
}

/// The table of loads with another value for a generation.
std::string with_load(std::string loads, std::string_view kind, const Profile& p,
                      std::string_view quantity, double value) {
  if (!loads.empty() && loads.back() != '\n') loads += '\n';
  // A row of the generation stands before those of all; one that is there already gives way.
  const std::string key = fmt::format("{},{},{},", kind, p.device, quantity);
  if (const auto at = loads.find("\n" + key); at != std::string::npos) {
    loads.erase(at + 1, loads.find('\n', at + 1) - at);
  }
  return loads + fmt::format("{}{:.5g},,,profile,{},read,\n", key, value, p.name);
}

/// The table of devices with one more.
std::string with_device(std::string text, const Profile::Measured& m) {
  const std::string head = head_of(text);
  const auto header = text.substr(head.size(), text.find('\n', head.size()) - head.size());
  constexpr double kGiga = 1e3;
  const std::map<std::string_view, std::string> cells{
      {"id", m.id},
      {"vendor", "local"},
      {"name", m.name},
      {"aliases", m.id},
      {"kind", "cpu"},
      {"generation", "local"},
      {"tdp_w", m.loaded_w ? fmt::format("{:.5g}", *m.loaded_w) : std::string{}},
      {"idle_w", m.idle_w && m.loaded_w && *m.idle_w < *m.loaded_w
                     ? fmt::format("{:.5g}", *m.idle_w)
                     : std::string{}},
      {"fp32_tflops", fmt::format("{:.6g}", m.best_gflops() / kGiga)},
      {"memory_gb", fmt::format("{:.5g}", m.memory_gb)},
      {"memory_bandwidth_gb_per_s", fmt::format("{:.5g}", m.copy_gb_per_s)},
      {"devices_per_server", "1"},
      {"source", "profile"},
      {"locator", "measured"},
      {"checked", "read"}};
  if (!text.empty() && text.back() != '\n') text += '\n';
  std::string row;
  std::size_t from = 0;
  while (from <= header.size()) {
    const auto comma = std::min(header.find(',', from), header.size());
    auto name = std::string_view{header}.substr(from, comma - from);
    if (name.ends_with('\r')) name.remove_suffix(1);
    if (from > 0) row += ',';
    if (const auto found = cells.find(name); found != cells.end()) {
      append_csv_cell(row, found->second);
    }
    from = comma + 1;
  }
  return text + row + "\n";
}

}  // namespace

double Profile::Measured::best_gflops() const {
  double best = 0;
  for (const auto& rate : gemm) best = std::max(best, rate.gflops);
  return best;
}

bool is_profile_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  });
}

void take_constants(const models::StepConstantTable& table, Profile& profile) {
  for (std::size_t j = 0; j < table.rows.size(); ++j) {
    const auto& row = table.rows[j];
    profile.constants.push_back({row.name, row.value, row.sd});
    for (std::size_t i = 0; i < std::min(j, row.correlations.size()); ++i) {
      if (std::abs(row.correlations[i]) < kTold) continue;
      profile.correlations.push_back({table.rows[i].name, row.name, row.correlations[i]});
    }
  }
}

std::string text_of(const Profile& p) {
  std::string text =
      "# What was learnt of a cluster: use it with --profile. Written by planner "
      "calibrate.\n";
  const auto line = [&](const char* key, const std::string& value) {
    text += fmt::format("{}: {}\n", key, value);
  };
  line("profile", quoted(p.name));
  line("created", quoted(p.created));
  line("planner", quoted(p.version));
  line("catalogue", quoted(p.catalogue));
  line("from", quoted(p.from));
  line("device_generation", quoted(p.device));
  line("framework_family", quoted(p.family));
  line("runs", quoted(models::name_of(p.run_class)));
  if (p.measured) {
    const auto& m = *p.measured;
    text += "measured:\n";
    const auto item = [&](const char* key, const std::string& value) {
      text += fmt::format("  {}: {}\n", key, value);
    };
    item("device", quoted(m.id));
    item("name", quoted(m.name));
    item("threads", fmt::format("{}", m.threads));
    item("library", quoted(m.library));
    item("seconds", fmt::format("{:.3g}", m.seconds));
    item("copy_gb_per_s", fmt::format("{:.5g}", m.copy_gb_per_s));
    item("memory_gb", fmt::format("{:.5g}", m.memory_gb));
    if (m.idle_w) item("idle_w", fmt::format("{:.5g}", *m.idle_w));
    if (m.loaded_w) item("loaded_w", fmt::format("{:.5g}", *m.loaded_w));
    text += "  gemm_fp32:  # size, GFLOP/s: median, slowest, fastest\n";
    for (const auto& r : m.gemm) {
      text +=
          fmt::format("    - [{:.0f}, {:.5g}, {:.5g}, {:.5g}]\n", r.size, r.gflops, r.low, r.high);
    }
    return text;
  }
  line("rows", fmt::format("{}", p.rows));
  line("groups", fmt::format("{}", p.groups));
  line("median_error_before", fmt::format("{:.5g}", p.before));
  line("median_error_after", fmt::format("{:.5g}", p.after));
  line("half_width_90", fmt::format("{:.5g}", p.half_width_90));
  if (p.draw) line("draw_above_idle", fmt::format("{:.5g}", *p.draw));
  if (!p.device_id.empty()) line("device", quoted(p.device_id));
  if (p.idle_w) line("idle_w", fmt::format("{:.5g}", *p.idle_w));
  if (!p.loads.empty()) text += "loads:  # shares of the limit, and of the way from idle to it\n";
  for (const auto& [quantity, value] : p.loads) {
    text += fmt::format("  {}: {:.5g}\n", quantity, value);
  }
  if (!p.conditions.empty()) text += "conditions:\n";
  for (const auto& [what, value] : p.conditions) {
    text += fmt::format("  {}: {}\n", what, quoted(value));
  }
  text += "constants:  # value, standard deviation of its logarithm\n";
  for (const auto& c : p.constants) {
    text += fmt::format("  {}: [{:.6g}, {:.4g}]\n", c.name, c.value, c.sd);
  }
  text += "correlations:\n";
  for (const auto& c : p.correlations) {
    text += fmt::format("  - [{}, {}, {:.2f}]\n", c.a, c.b, c.value);
  }
  return text;
}

Profile read_profile(const std::string& text, const std::string& file) {
  const Reader in{text, file};
  Profile p;
  p.name = in.text("profile");
  p.created = in.text("created");
  p.version = in.text("planner");
  p.catalogue = in.text("catalogue");
  p.from = in.text("from");
  p.device = in.text("device_generation");
  p.family = in.text("framework_family");
  constexpr double kMany = 1e9;
  if (const auto node = in.root()["measured"]) {
    auto& m = p.measured.emplace();
    const auto word = [&](const char* key) {
      return node[key] && node[key].IsScalar() ? node[key].Scalar() : std::string{};
    };
    m.id = word("device");
    m.name = word("name");
    m.library = word("library");
    m.threads = static_cast<unsigned>(in.number(node["threads"], "threads", 1, 1e6));
    m.seconds = in.number(node["seconds"], "seconds", 0, kMany);
    m.copy_gb_per_s = in.number(node["copy_gb_per_s"], "copy_gb_per_s", 1e-6, kMany);
    m.memory_gb = in.number(node["memory_gb"], "memory_gb", 1e-6, kMany);
    if (node["idle_w"]) m.idle_w = in.number(node["idle_w"], "idle_w", 0, kMany);
    if (node["loaded_w"]) m.loaded_w = in.number(node["loaded_w"], "loaded_w", 0, kMany);
    for (const auto& rate : node["gemm_fp32"]) {
      if (!rate.IsSequence() || rate.size() != 4) continue;
      m.gemm.push_back(
          {in.number(rate[0], "a size", 1, kMany), in.number(rate[1], "a rate", 1e-9, kMany),
           in.number(rate[2], "a rate", 0, kMany), in.number(rate[3], "a rate", 0, kMany)});
    }
    if (!is_profile_name(m.id) || m.gemm.empty()) {
      throw InputError({file, 0, 0}, "no device that was measured",
                       "give a file that `planner calibrate` wrote");
    }
    return p;
  }
  p.rows = static_cast<std::size_t>(in.number("rows", 0, kMany));
  p.groups = static_cast<std::size_t>(in.number("groups", 0, kMany));
  p.before = in.number("median_error_before", 0, kMany);
  p.after = in.number("median_error_after", 0, kMany);
  constexpr double kWidest = 3;
  p.half_width_90 = in.number("half_width_90", 0, kWidest);
  const auto runs = in.text("runs");
  for (std::size_t i = 0; i < models::kRunClasses; ++i) {
    if (name_of(static_cast<models::RunClass>(i)) == runs) {
      p.run_class = static_cast<models::RunClass>(i);
    }
  }
  p.device_id = in.text("device");
  if (in.root()["idle_w"]) p.idle_w = in.number("idle_w", 0.01, kMany);
  for (const auto& entry : in.root()["loads"]) {
    const auto name = entry.first.Scalar();
    p.loads[name] = in.number(entry.second, name, 0.001, 1);
  }
  for (const auto& entry : in.root()["conditions"]) {
    if (!entry.second.IsScalar()) continue;
    p.conditions.emplace_back(entry.first.Scalar(), entry.second.Scalar());
  }
  if (in.root()["draw_above_idle"]) p.draw = in.number("draw_above_idle", 0.1, 10);
  const auto constants = in.root()["constants"];
  if (!constants || !constants.IsMap()) {
    throw InputError({file, 0, 0}, "no constants", "give a file that `planner calibrate` wrote");
  }
  for (const auto& entry : constants) {
    const auto name = entry.first.Scalar();
    constexpr double kMost = 1e9;
    const bool pair = entry.second.IsSequence() && entry.second.size() == 2;
    p.constants.push_back({name,
                           in.number(pair ? entry.second[0] : YAML::Node{}, name, 1e-9, kMost),
                           in.number(pair ? entry.second[1] : YAML::Node{}, name, 0, kMost)});
  }
  for (const auto& entry : in.root()["correlations"]) {
    if (!entry.IsSequence() || entry.size() != 3) continue;
    p.correlations.push_back(
        {entry[0].Scalar(), entry[1].Scalar(), in.number(entry[2], "a correlation", -1, 1)});
  }
  return p;
}

std::map<std::string, std::string> tables_of(const Profile& p, const Catalogue& shipped,
                                             const std::string& file) {
  std::map<std::string, std::string> tables;
  if (p.measured) {
    tables["devices.csv"] = with_device(std::string{shipped.table("devices.csv")}, *p.measured);
    return tables;
  }
  auto constants = shipped.step_constant_table();
  std::map<std::string_view, std::size_t> places;
  for (std::size_t i = 0; i < constants.rows.size(); ++i) places[constants.rows[i].name] = i;
  for (auto& row : constants.rows) std::fill(row.correlations.begin(), row.correlations.end(), 0);
  const auto place_of = [&](const std::string& name) {
    const auto found = places.find(name);
    if (found == places.end()) {
      throw InputError({file, 0, 0}, fmt::format("no constant '{}' in this version", name),
                       fmt::format("the profile is of planner {}: calibrate again", p.version));
    }
    return found->second;
  };
  for (const auto& c : p.constants) {
    auto& row = constants.rows[place_of(c.name)];
    row.value = c.value;
    row.sd = c.sd;
  }
  for (const auto& c : p.correlations) {
    const auto a = place_of(c.a);
    const auto b = place_of(c.b);
    constants.rows[std::max(a, b)].correlations[std::min(a, b)] = c.value;
  }
  tables["step_constants.csv"] = constants.text(head_of(shipped.table("step_constants.csv")));

  tables["step_spread.csv"] =
      with_width(std::string{shipped.table("step_spread.csv")}, p.run_class, p.half_width_90);

  if (p.draw) {
    const auto& family = shipped.loads().find(device_of(shipped, p.device));
    const double most = family.idle_share + *p.draw * (family.most_share - family.idle_share);
    tables["loads.csv"] = with_load(std::string{shipped.table("loads.csv")},
                                    kind_of(shipped, p.device), p, "most_share", most);
  }
  if (!p.loads.empty()) {
    auto& loads = tables.try_emplace("loads.csv", shipped.table("loads.csv")).first->second;
    for (const auto& [quantity, value] : p.loads) {
      loads = with_load(std::move(loads), kind_of(shipped, p.device), p, quantity, value);
    }
  }
  if (p.idle_w) {
    tables["devices.csv"] = with_cell(std::string{shipped.table("devices.csv")}, p.device_id,
                                      "idle_w", fmt::format("{:.5g}", *p.idle_w));
  }
  return tables;
}

}  // namespace pretrain::planner
