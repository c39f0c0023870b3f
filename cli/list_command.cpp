#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands.hpp"
#include "cli/options.hpp"
#include "cli/text_table.hpp"
#include "db/store.hpp"
#include "models/core/text.hpp"
#include "models/parameters.hpp"
#include "planner/profile.hpp"

namespace pretrain::cli {

namespace {

using hardware::Dtype;

constexpr double kBillion = 1e9;

TextCell number(std::optional<double> value) {
  return value ? TextCell{*value} : TextCell{std::monostate{}};
}
TextCell text(std::string_view value) { return std::string{value}; }

template <class Q>
TextCell number(const std::optional<Q>& value, Q unit) {
  return value ? TextCell{value->in(unit)} : TextCell{std::monostate{}};
}

TextTable list_devices(const planner::Catalogue& catalogue) {
  TextTable table{{{"id", "Device", false},
                   {"vendor", "Vendor", false},
                   {"year", "Year", false},
                   {"kind", "Kind", false},
                   {"tdp_w", "TDP [W]", true},
                   {"bf16_tflops", "bf16 [TFLOP/s]", true},
                   {"fp16_tflops", "fp16 [TFLOP/s]", true},
                   {"fp32_tflops", "fp32 [TFLOP/s]", true},
                   {"fp8_tflops", "fp8 [TFLOP/s]", true},
                   {"memory_gb", "Memory [GB]", true},
                   {"memory_gb_per_s", "Memory [GB/s]", true},
                   {"gflops_per_w", "GFLOP/s/W", true},
                   {"embodied_kg", "Card [kgCO2e]", true},
                   {"aliases", "Also called", false}}};
  for (const auto& d : catalogue.devices().all()) {
    const auto peak = d.peak_of(hardware::training_dtype(d));
    std::optional<double> efficiency;
    constexpr double kGigaPerTera = 1e3;
    if (peak && d.tdp)
      efficiency = kGigaPerTera * (*peak).in(teraflops / device) / d.tdp->in(watt / device);
    const auto* card = catalogue.embodied().find(d.id, hardware::EmbodiedScope::card);
    table.add({text(d.id), text(d.vendor),
               d.year ? TextCell{fmt::format("{:.0f}", *d.year)} : TextCell{}, text(d.kind),
               number(d.tdp, watt / device), number(d.peak_of(Dtype::bf16), teraflops / device),
               number(d.peak_of(Dtype::fp16), teraflops / device),
               number(d.peak_of(Dtype::fp32), teraflops / device),
               number(d.peak_of(Dtype::fp8), teraflops / device), number(d.memory_gb),
               number(d.memory_bandwidth_gb_per_s), number(efficiency),
               card != nullptr ? TextCell{card->mid.in(kilogram)} : TextCell{}, text(d.aliases)});
  }
  return table;
}

/// Licence of the first source of a row.
std::string_view licence_of(const Origin& origin, const planner::Catalogue& catalogue) {
  const auto keys = split(origin.source, ';');
  const auto* source = keys.empty() ? nullptr : catalogue.sources().find(keys.front());
  return source != nullptr ? source->licence : std::string_view{};
}

TextTable list_regions(const planner::Catalogue& catalogue, planner::Grid grid) {
  TextTable table{{{"region", "Region", false},
                   {"provider", "Provider", false},
                   {"location", "Location", false},
                   {"country", "Country", false},
                   {"g_per_kwh", "g/kWh", true},
                   {"carbon_free_share", "Carbon-free", true},
                   {"pue", "PUE", true},
                   {"year", "Year", false},
                   {"basis", "Basis", false},
                   {"scope", "Scope", false},
                   {"accounting", "Accounting", false},
                   {"source", "Source", false},
                   {"licence", "Licence", false}}};
  for (const auto& r : catalogue.grid(grid).all()) {
    const bool cloud = r.provider == "gcp" || r.provider == "aws" || r.provider == "azure";
    const auto* pue = cloud ? catalogue.pue().find(r.provider, r.region) : nullptr;
    table.add({text(r.region), text(r.provider), text(r.location), text(r.country),
               r.intensity.in(gram / kilowatt_hour), number(r.carbon_free_share),
               pue != nullptr ? TextCell{pue->value} : TextCell{},
               r.year ? TextCell{fmt::format("{:.0f}", *r.year)} : TextCell{}, text(r.basis),
               text(r.scope), text(r.accounting), text(r.origin.source),
               text(licence_of(r.origin, catalogue))});
  }
  return table;
}

TextTable list_architectures(const planner::Catalogue& catalogue) {
  TextTable table{{{"name", "Architecture", false},
                   {"type", "Type", false},
                   {"params_b", "Params [1e9]", true},
                   {"active_params_b", "Active [1e9]", true},
                   {"layers", "Layers", true},
                   {"hidden", "Hidden", true},
                   {"heads", "Heads", true},
                   {"kv_heads", "KV heads", true},
                   {"experts", "Experts", true},
                   {"vocab", "Vocabulary", true},
                   {"context", "Context", true}}};
  using models::Field;
  for (const auto& a : catalogue.architectures().all()) {
    const auto dimension = [&](Field field) {
      const auto& cell = a.spec[field];
      return number(cell ? std::optional{*cell} : std::nullopt);
    };
    // Counted where the dimensions give the count, else as published.
    const auto whole = models::complete(a.spec, {});
    auto total = a.params_b;
    auto active = a.active_params_b;
    if (whole.usable()) {
      const auto count = models::parameters(whole.architecture);
      total = count.total() / kBillion;
      active = count.inactive > 0 ? std::optional{count.active() / kBillion} : std::nullopt;
    }
    table.add({text(a.name), text(a.spec.type), number(total), number(active),
               dimension(Field::layers), dimension(Field::hidden), dimension(Field::heads),
               dimension(Field::kv_heads), dimension(Field::experts), dimension(Field::vocab),
               dimension(Field::context)});
  }
  return table;
}

/// Which of the saved runs are asked for. One whose figure is not known is within no limit.
struct RunFilter {
  std::optional<double> min_tco2e;
  std::optional<double> max_tco2e;
  std::optional<double> max_energy_mwh;
  std::optional<double> max_days;
  std::string name;  ///< part of it

  bool any() const { return min_tco2e || max_tco2e || max_energy_mwh || max_days || !name.empty(); }
  bool takes(const db::SavedRun& run) const {
    std::optional<double> carbon = run.operational_tco2e;
    if (carbon && run.embodied_tco2e) *carbon += *run.embodied_tco2e;
    const auto above = [](const std::optional<double>& value, const std::optional<double>& most) {
      return most && !(value && *value <= *most);
    };
    if (above(carbon, max_tco2e) || above(run.facility_energy_mwh, max_energy_mwh) ||
        above(run.training_days, max_days)) {
      return false;
    }
    if (min_tco2e && !(carbon && *carbon >= *min_tco2e)) return false;
    return lowered(run.name).find(lowered(name)) != std::string::npos;
  }
};

TextTable list_runs(const std::string& path, const RunFilter& filter) {
  TextTable table{{{"id", "Id", false},
                   {"name", "Run", false},
                   {"saved_at", "Saved", false},
                   {"training_days", "Days", true},
                   {"facility_energy_mwh", "Energy [MWh]", true},
                   {"operational_tco2e", "Operational [tCO2e]", true},
                   {"embodied_tco2e", "Embodied [tCO2e]", true},
                   {"version", "Planner", false},
                   {"catalogue", "Catalogue", false}}};
  const auto store = db::Store::open(path, db::Store::Mode::read);
  store.for_each([&](const db::SavedRun& run) {
    if (!filter.takes(run)) return;
    table.add({run.id, run.name, run.saved_at, number(run.training_days),
               number(run.facility_energy_mwh), number(run.operational_tco2e),
               number(run.embodied_tco2e), run.version, run.catalogue});
  });
  return table;
}

TextTable list_profiles(const std::string& path) {
  TextTable table{{{"name", "Profile", false},
                   {"device", "Devices", false},
                   {"family", "Framework", false},
                   {"rows", "Rows", true},
                   {"before", "Median error before", true},
                   {"after", "After", true},
                   {"saved_at", "Stored", false},
                   {"from", "From", false}}};
  for (const auto& saved : db::Store::open(path, db::Store::Mode::read).profiles()) {
    const auto p = planner::read_profile(saved.text, path);
    const bool runs = p.rows > 0;
    table.add(
        {saved.name, p.device, p.family, runs ? TextCell{static_cast<double>(p.rows)} : TextCell{},
         runs ? fmt::format("{:.1f}%", 100 * p.before) : std::string{},
         runs ? fmt::format("{:.1f}%", 100 * p.after) : std::string{}, saved.saved_at, p.from});
  }
  return table;
}

struct ListCommand {
  std::string what;
  std::string format = "table";
  std::string sort;
  std::string output;
  std::string data;
  std::string grid = "current";
  std::string db;
  RunFilter filter;

  TextTable table() const {
    if (what == "runs") return list_runs(store_path(db), filter);
    if (filter.any()) {
      throw InputError({"list " + what, 0, 0}, "limits are those of saved runs",
                       "planner list runs --max-tco2e 0.1");
    }
    if (what == "profiles") return list_profiles(store_path(db));
    const auto catalogue = open_catalogue(data);
    if (what == "devices") return list_devices(*catalogue);
    if (what == "architectures") return list_architectures(*catalogue);
    return list_regions(*catalogue,
                        grid == "mlco2-2019" ? planner::Grid::mlco2_2019 : planner::Grid::current);
  }

  Exit run() const {
    TextTable list = table();
    if (!sort.empty()) list.sort(sort);
    std::string answer;
    if (format == "json") {
      answer = list.json();
    } else if (format == "csv") {
      answer = list.csv();
    } else {
      list.drop_blank_columns();
      answer = format == "markdown" ? list.markdown()
                                    : list.for_people(output.empty() && color_wanted());
    }
    write_answer(output, answer);
    return Exit::ok;
  }
};

}  // namespace

void add_list_command(CLI::App& app, Exit& exit) {
  auto command = std::make_shared<ListCommand>();
  CLI::App* sub = app.add_subcommand("list", "What the catalogues and the store hold");
  sub->add_option("what", command->what, "devices, regions, architectures, profiles or runs")
      ->required()
      ->check(CLI::IsMember({"devices", "regions", "architectures", "profiles", "runs"}));
  sub->add_option("--format", command->format, "table, json, csv or markdown")
      ->check(CLI::IsMember({"table", "json", "csv", "markdown"}))
      ->capture_default_str();
  sub->add_option("--sort", command->sort,
                  "Column to sort by, e.g. gflops_per_w; -gflops_per_w: the largest first");
  sub->add_option("-o,--output", command->output, "Write here, whole or not at all");
  sub->add_option("--data", command->data, "Folder with tables that replace the program's own");
  sub->add_option("--grid", command->grid, "Regions of: current, or mlco2-2019 (outdated)")
      ->check(CLI::IsMember({"current", "mlco2-2019"}))
      ->capture_default_str();
  auto& filter = command->filter;
  sub->add_option("--max-tco2e", filter.max_tco2e,
                  "Saved runs of no more carbon, operational and embodied")
      ->check(CLI::NonNegativeNumber);
  sub->add_option("--min-tco2e", filter.min_tco2e, "Saved runs of no less carbon")
      ->check(CLI::NonNegativeNumber);
  sub->add_option("--max-energy-mwh", filter.max_energy_mwh,
                  "Saved runs of no more facility energy")
      ->check(CLI::NonNegativeNumber);
  sub->add_option("--max-days", filter.max_days, "Saved runs of no more days")
      ->check(CLI::NonNegativeNumber);
  sub->add_option("--name", filter.name, "Saved runs with this in their name");
  sub->add_option("--db", command->db, "The store (else PLANNER_DB, else the XDG data folder)");
  sub->callback([command, &exit] { exit = command->run(); });
}

}  // namespace pretrain::cli
