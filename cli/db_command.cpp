#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <bitset>
#include <deque>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "cli/commands.hpp"
#include "cli/options.hpp"
#include "planner/run_writer.hpp"

namespace pretrain::cli {

namespace {

using Json = nlohmann::ordered_json;

Json to_json(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

/// One saved run as a line: everything that the store keeps.
std::string exported(const db::SavedRun& run) {
  return Json{{"id", run.id},
              {"name", run.name},
              {"saved_at", run.saved_at},
              {"version", run.version},
              {"catalogue", run.catalogue},
              {"training_days", to_json(run.training_days)},
              {"facility_energy_mwh", to_json(run.facility_energy_mwh)},
              {"operational_tco2e", to_json(run.operational_tco2e)},
              {"embodied_tco2e", to_json(run.embodied_tco2e)},
              {"inputs", Json::parse(run.inputs)},
              {"estimate", Json::parse(run.estimate)}}
      .dump();
}

std::optional<double> number_at(const Json& object, const char* key) {
  const auto& value = object.at(key);
  return value.is_null() ? std::nullopt : std::optional{value.get<double>()};
}

db::SavedRun imported(const std::string& line) {
  const Json object = Json::parse(line);
  return {.id = object.at("id").get<std::string>(),
          .name = object.at("name").get<std::string>(),
          .saved_at = object.at("saved_at").get<std::string>(),
          .version = object.at("version").get<std::string>(),
          .catalogue = object.at("catalogue").get<std::string>(),
          .inputs = object.at("inputs").dump(),
          .estimate = object.at("estimate").dump(),
          .training_days = number_at(object, "training_days"),
          .facility_energy_mwh = number_at(object, "facility_energy_mwh"),
          .operational_tco2e = number_at(object, "operational_tco2e"),
          .embodied_tco2e = number_at(object, "embodied_tco2e")};
}

void add_path(CLI::App& db, const std::string& option, Exit& exit) {
  db.add_subcommand("path", "Where the store is")->callback([&option, &exit] {
    write_answer("", store_path(option) + "\n");
    exit = Exit::ok;
  });
}

void add_check(CLI::App& db, const std::string& option, Exit& exit) {
  db.add_subcommand("check", "Whether the store is sound")->callback([&option, &exit] {
    const auto store = db::Store::open(store_path(option), db::Store::Mode::read);
    const auto faults = store.check();
    std::string answer;
    for (const auto& fault : faults) answer += fault + "\n";
    if (faults.empty()) {
      answer = fmt::format("{}: sound, schema version {}, {} run{}\n", store.path(),
                           store.schema_version(), store.size(), store.size() == 1 ? "" : "s");
    }
    write_answer("", answer);
    exit = faults.empty() ? Exit::ok : Exit::no;
  });
}

/// The cells of a saved run as a row of a run table. `texts` holds what the row points to.
planner::RunRow saved_row(const db::SavedRun& run, std::deque<std::string>& texts) {
  planner::RunRow row;
  row.clear();
  const Json inputs = Json::parse(run.inputs);
  for (const auto& [name, value] : inputs.items()) {
    const auto col = planner::find_column(name);
    if (!col) continue;  // a column of another version
    auto& text = texts.emplace_back(value.is_string() ? value.get<std::string>() : std::string{});
    if (value.is_number()) planner::append_number(text, value.get<double>());
    std::string what;
    std::string help;
    row.set(*col, text, 0, 0, what, help);
  }
  return row;
}

/// The inputs of all saved runs as a run table, in the columns that any of them fills.
void export_run_table(const db::Store& store, OutputFile& out) {
  std::bitset<planner::kColumns> used;
  store.for_each([&](const db::SavedRun& run) {
    std::deque<std::string> texts;
    const auto row = saved_row(run, texts);
    for (std::size_t i = 0; i < planner::kColumns; ++i) {
      if (row.has(static_cast<planner::Col>(i))) used.set(i);
    }
  });
  std::vector<planner::Col> columns;
  for (std::size_t i = 0; i < planner::kColumns; ++i) {
    if (used[i]) columns.push_back(static_cast<planner::Col>(i));
  }
  const planner::RunWriter writer{std::move(columns)};
  std::string text;
  writer.header(text);
  out.write(text);
  store.for_each([&](const db::SavedRun& run) {
    std::deque<std::string> texts;
    text.clear();
    writer.row(text, saved_row(run, texts));
    out.write(text);
  });
}

void add_export(CLI::App& db, const std::string& option, Exit& exit) {
  struct Export {
    std::string output;
    std::string format = "jsonl";
  };
  auto choice = std::make_shared<Export>();
  auto* sub = db.add_subcommand("export", "Print every saved run");
  sub->add_option("--format", choice->format,
                  "jsonl: everything, for import; csv: the inputs, as a run table")
      ->check(CLI::IsMember({"jsonl", "csv"}))
      ->capture_default_str();
  sub->add_option("-o,--output", choice->output, "Write here, whole or not at all");
  sub->callback([&option, &exit, choice] {
    const auto store = db::Store::open(store_path(option), db::Store::Mode::read);
    OutputFile out{choice->output};
    if (choice->format == "csv") {
      export_run_table(store, out);
    } else {
      store.for_each([&](const db::SavedRun& run) { out.write(exported(run) + "\n"); });
    }
    out.commit();
    exit = Exit::ok;
  });
}

void add_import(CLI::App& db, const std::string& option, Exit& exit) {
  auto file = std::make_shared<std::string>();
  auto* sub = db.add_subcommand("import", "Take in what export printed, all of it or nothing");
  sub->add_option("file", *file, "JSON lines; - is standard input")->required();
  sub->callback([&option, &exit, file] {
    InputFile input{*file};
    auto store = db::Store::open(store_path(option), db::Store::Mode::write);
    store.begin();
    std::string line;
    std::size_t number = 0;
    std::size_t count = 0;
    while (std::getline(input.stream(), line)) {
      ++number;
      if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
      try {
        store.save(imported(line));
        ++count;
      } catch (const Json::exception& e) {
        throw InputError({input.name(), number, 0},
                         fmt::format("not a saved run: {}; nothing was imported", e.what()),
                         "import takes the lines that `planner db export` prints");
      } catch (const std::logic_error& e) {  // a value that the store does not take
        throw InputError({input.name(), number, 0},
                         fmt::format("not a saved run: {}; nothing was imported", e.what()),
                         "import takes the lines that `planner db export` prints");
      } catch (const InputError& e) {
        auto problem = e.problems().front();
        throw InputError({input.name(), number, 0}, problem.what + "; nothing was imported",
                         problem.help);
      }
    }
    if (input.stream().bad()) {
      throw InputError({input.name(), number, 0}, "the file cannot be read to its end",
                       "nothing was imported");
    }
    store.commit();
    tell(fmt::format("imported {} run{} into {}\n", count, count == 1 ? "" : "s", store.path()));
    exit = Exit::ok;
  });
}

}  // namespace

void add_db_command(CLI::App& app, Exit& exit) {
  auto option = std::make_shared<std::string>();
  CLI::App* sub = app.add_subcommand("db", "The store of saved runs");
  sub->require_subcommand(1);
  sub->fallthrough();
  sub->add_option("--db", *option, "The store (else PLANNER_DB, else the XDG data folder)");
  // The parser owns the callbacks and outlives them; keep the option's text alive with it.
  sub->callback([option] {});
  add_path(*sub, *option, exit);
  add_check(*sub, *option, exit);
  add_export(*sub, *option, exit);
  add_import(*sub, *option, exit);
}

}  // namespace pretrain::cli
