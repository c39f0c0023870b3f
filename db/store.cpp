#include "db/store.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

#include "db/schema.hpp"
#include "db/statement.hpp"
#include "models/core/input_error.hpp"
#include "models/core/text.hpp"

namespace pretrain::db {

namespace {

namespace fs = std::filesystem;

constexpr int kFaultsOfAKind = 100;
constexpr const char* kAnotherStore = "name another store with --db FILE";

/// The migrations, checked to be numbered without a gap.
std::span<const EmbeddedFile> migrations() {
  const auto files = embedded_files();
  int expected = 0;
  for (const auto& file : files) {
    int number = 0;
    std::from_chars(file.name.data(), file.name.data() + file.name.size(), number);
    if (number != ++expected) {
      throw std::logic_error(fmt::format("db/schema: {} is not number {}", file.name, expected));
    }
  }
  return files;
}

int latest_version() { return static_cast<int>(embedded_files().size()); }

void apply_migration(const Database& db, int version) {
  db.execute(std::string{migrations()[static_cast<std::size_t>(version - 1)].text()});
  // Pragmas take no bound values; these are our own numbers.
  db.execute(fmt::format("PRAGMA application_id = {}", kApplicationId));
  db.execute(fmt::format("PRAGMA user_version = {}", version));
}

/// Version of the schema, 0 for an empty file. Throws unless the store is one of ours that we know.
/// REQUIRES: a transaction, because another planner may be creating the store at this moment.
int recognized_version(const Database& db) {
  const auto application = db.integer("PRAGMA application_id");
  const auto version = db.integer("PRAGMA user_version");
  if (application == 0 && version == 0 && db.integer("SELECT count(*) FROM sqlite_schema") == 0) {
    return 0;
  }
  if (application != kApplicationId) {
    throw InputError(Location{db.path()},
                     "a database of another application, not a store of the planner",
                     kAnotherStore);
  }
  if (version > latest_version()) {
    throw InputError(Location{db.path()},
                     fmt::format("made by a newer planner: its schema version is {}, this planner "
                                 "knows versions up to {}",
                                 version, latest_version()),
                     fmt::format("upgrade the planner, or {}", kAnotherStore));
  }
  if (version < 1) {
    throw InputError(Location{db.path()},
                     fmt::format("the store is damaged: its schema version is {}", version),
                     fmt::format("bring back a copy, or {}", kAnotherStore));
  }
  return static_cast<int>(version);
}

int recognized_version_at_rest(const Database& db) {
  Transaction view{db, "BEGIN"};
  const int version = recognized_version(db);
  view.commit();
  return version;
}

void migrate(const Database& db, int from) {
  for (int version = from + 1; version <= latest_version(); ++version) {
    Transaction change{db, "BEGIN IMMEDIATE"};
    // Another planner may have done this one while we waited.
    if (recognized_version(db) < version) apply_migration(db, version);
    change.commit();
  }
}

/// A store that was switched to a write-ahead log is unsafe on network file systems.
void use_rollback_journal(const Database& db) {
  Statement statement{db, "PRAGMA journal_mode = DELETE"};
  if (!statement.step() || statement.text(0) != "delete") {
    throw Locked(Location{db.path()}, "the store is locked by another program",
                 "try again when it has finished");
  }
}

/// Refuses what SQLite would open in surprising ways, and makes the folder for a new store.
void prepare_place(const std::string& path, Store::Mode mode) {
  if (path.empty()) throw InputError(Location{}, "the store has an empty name", kAnotherStore);
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::exists(status)) {
    if (fs::is_regular_file(status)) return;
    throw InputError(Location{path},
                     fs::is_directory(status) ? "a folder, not a store" : "not a regular file",
                     kAnotherStore);
  }
  if (status.type() != fs::file_type::not_found) {
    throw InputError(Location{path},
                     fmt::format("the store cannot be opened ({})", error.message()),
                     fmt::format("check the permissions of its folder, or {}", kAnotherStore));
  }
  if (mode == Store::Mode::read) {
    throw InputError(
        Location{path}, "there is no such store",
        fmt::format("`planner estimate FILE --save` creates it, or {}", kAnotherStore));
  }
  const fs::path folder = fs::path{path}.parent_path();
  if (folder.empty()) return;
  fs::create_directories(folder, error);
  if (error) {
    throw InputError(
        Location{path}, fmt::format("its folder cannot be created ({})", error.message()),
        fmt::format("check the permissions of '{}', or {}", folder.string(), kAnotherStore));
  }
}

/// The absolute path, because SQLite gives names like ":memory:" a meaning of their own.
std::string sqlite_name(const std::string& path) {
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error);
  if (error) {
    throw InputError(Location{path},
                     fmt::format("the current folder is not available ({})", error.message()),
                     "name the store by its absolute path");
  }
  return absolute.string();
}

Database opened(const std::string& path, Store::Mode mode, std::chrono::milliseconds patience) {
  prepare_place(path, mode);
  // Readers, too, open to write where they may: undoing an interrupted save takes that.
  const int create = mode == Store::Mode::write ? SQLITE_OPEN_CREATE : 0;
  Database db{path, sqlite_name(path), SQLITE_OPEN_READWRITE | create};
  sqlite3_busy_timeout(db.get(), static_cast<int>(patience.count()));
  if (mode == Store::Mode::write && sqlite3_db_readonly(db.get(), "main") == 1) {
    throw InputError(Location{path}, "no permission to write the store",
                     fmt::format("check the permissions of the file, or {}", kAnotherStore));
  }
  db.execute("PRAGMA foreign_keys = ON");
  db.execute("PRAGMA synchronous = FULL");
  if (mode == Store::Mode::read) db.execute("PRAGMA query_only = ON");
  return db;
}

constexpr std::string_view kInsert =
    "INSERT INTO run (id, name, saved_at, version, catalogue, inputs, estimate, training_days,"
    " facility_energy_mwh, operational_tco2e, embodied_tco2e)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

constexpr std::string_view kSelect =
    "SELECT number, id, name, saved_at, version, catalogue, inputs, estimate, training_days,"
    " facility_energy_mwh, operational_tco2e, embodied_tco2e"
    " FROM run WHERE number > ?1 AND number <= ?2 ORDER BY number LIMIT ?3";

SavedRun run_of(const Statement& row) {
  return {.id = row.text(1),
          .name = row.text(2),
          .saved_at = row.text(3),
          .version = row.text(4),
          .catalogue = row.text(5),
          .inputs = row.text(6),
          .estimate = row.text(7),
          .training_days = row.number(8),
          .facility_energy_mwh = row.number(9),
          .operational_tco2e = row.number(10),
          .embodied_tco2e = row.number(11)};
}

/// SQLite would store NaN as "unknown" without a word.
void require_finite(const Database& db, const SavedRun& run) {
  const std::pair<std::string_view, std::optional<double>> numbers[] = {
      {"training_days", run.training_days},
      {"facility_energy_mwh", run.facility_energy_mwh},
      {"operational_tco2e", run.operational_tco2e},
      {"embodied_tco2e", run.embodied_tco2e}};
  for (const auto& [key, number] : numbers) {
    if (number && !std::isfinite(*number)) {
      throw InputError(
          Location{db.path()},
          fmt::format("{} of run '{}' is not a finite number", key, shortened(run.name)),
          "check the row for numbers that are far too large or too small");
    }
  }
}

void check_integrity(const Database& db, std::vector<std::string>& faults) {
  Statement row{db, fmt::format("PRAGMA integrity_check({})", kFaultsOfAKind)};
  while (row.step()) {
    // One row may hold several lines below a title "*** in database main ***".
    const std::string text = row.text(0);
    std::string_view rest = text;
    while (!rest.empty()) {
      const auto stop = rest.find('\n');
      const std::string_view line = rest.substr(0, stop);
      rest = stop == std::string_view::npos ? std::string_view{} : rest.substr(stop + 1);
      if (line.empty() || line == "ok" || line.starts_with("***")) continue;
      faults.push_back(fmt::format("integrity: {}", line));
    }
  }
}

void check_foreign_keys(const Database& db, std::vector<std::string>& faults) {
  Statement row{db, "PRAGMA foreign_key_check"};
  for (int i = 0; i < kFaultsOfAKind && row.step(); ++i) {
    faults.push_back(
        fmt::format("foreign key: row {} of table '{}' refers to a missing row of '{}'",
                    row.integer(1), row.text(0), row.text(2)));
  }
}

/// Every table and index as its migrations make it; what others have added is not ours to judge.
void check_schema(const Database& db, int version, std::vector<std::string>& faults) {
  const Database reference{"schema", ":memory:", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE};
  for (int i = 1; i <= version; ++i) apply_migration(reference, i);
  Statement wanted{reference, "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL"};
  while (wanted.step()) {
    const std::string type = wanted.text(0);
    const std::string name = wanted.text(1);
    Statement found{db, "SELECT sql FROM sqlite_schema WHERE type = ?1 AND name = ?2"};
    found.bind(1, type).bind(2, name);
    if (!found.step()) {
      faults.push_back(fmt::format("schema: the {} '{}' is missing", type, name));
    } else if (found.text(0) != wanted.text(2)) {
      faults.push_back(fmt::format("schema: the {} '{}' was altered", type, name));
    }
  }
}

void check_json(const Database& db, std::string_view column, std::vector<std::string>& faults) {
  Statement row{db, fmt::format("SELECT number, name FROM run WHERE CASE WHEN json_valid({0}) THEN"
                                " json_type({0}) <> 'object' ELSE 1 END LIMIT {1}",
                                column, kFaultsOfAKind)};
  while (row.step()) {
    faults.push_back(fmt::format("run {} ('{}'): '{}' is not a JSON object", row.integer(0),
                                 shortened(row.text(1)), column));
  }
}

bool is_set(const char* variable) { return variable != nullptr && *variable != '\0'; }

bool is_absolute(const char* variable) { return is_set(variable) && *variable == '/'; }

}  // namespace

struct Store::Impl {
  Database db;
  Mode mode;
  int version{};
  /// Between begin and commit, as the caller sees it.
  bool begun{false};
  std::optional<Statement> insert;  // after db: it must go first

  Impl(Database database, Mode how) : db(std::move(database)), mode(how) {}

  void require_writable() const {
    if (mode != Mode::write) throw std::logic_error("the store was opened to read");
  }

  /// After a full disk or a failed write SQLite has rolled back by itself. What follows must not be
  /// kept alone.
  void require_transaction_alive() const {
    if (begun && sqlite3_get_autocommit(db.get()) != 0) {
      throw InputError(Location{db.path()}, "an earlier error has undone this save as a whole",
                       "mend that one, then run the command again");
    }
  }

  std::string saved_at(std::string_view id) const {
    Statement row{db, "SELECT saved_at FROM run WHERE id = ?1"};
    row.bind(1, id);
    return row.step() ? row.text(0) : "an unknown time";
  }
};

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;
Store::~Store() = default;  // closing the connection rolls back

Store Store::open(const std::string& path, Mode mode, std::chrono::milliseconds patience) {
  auto impl = std::make_unique<Impl>(opened(path, mode, patience), mode);
  const Database& db = impl->db;
  impl->version = recognized_version_at_rest(db);
  if (mode == Mode::write) {
    use_rollback_journal(db);  // not earlier: another application's file keeps its own
    migrate(db, impl->version);
    impl->version = latest_version();
  } else if (impl->version == 0) {
    throw InputError(Location{path}, "an empty file, not yet a store",
                     fmt::format("`planner estimate FILE --save` fills it, or {}", kAnotherStore));
  } else if (impl->version < kOldestReadable) {
    throw InputError(Location{path},
                     fmt::format("made by an older planner: its schema version is {}, this planner "
                                 "reads versions from {}",
                                 impl->version, kOldestReadable),
                     "`planner estimate FILE --save` brings it up to date");
  }
  return Store{std::move(impl)};
}

void Store::begin() {
  impl_->require_writable();
  if (impl_->begun) throw std::logic_error("begin() without commit() in between");
  // Taking the write lock now, not at the first save, so that waiting cannot end in a deadlock.
  impl_->db.execute("BEGIN IMMEDIATE");
  impl_->begun = true;
}

void Store::commit() {
  if (!impl_->begun) throw std::logic_error("commit() without begin()");
  impl_->require_transaction_alive();
  impl_->db.execute("COMMIT");
  impl_->begun = false;
}

void Store::save(const SavedRun& run) {
  impl_->require_writable();
  impl_->require_transaction_alive();
  require_finite(impl_->db, run);
  if (!impl_->insert) impl_->insert.emplace(impl_->db, kInsert);
  Statement& insert = *impl_->insert;
  if (run.id.empty()) {
    insert.bind_null(1);
  } else {
    insert.bind(1, std::string_view{run.id});
  }
  insert.bind(2, std::string_view{run.name})
      .bind(3, std::string_view{run.saved_at})
      .bind(4, std::string_view{run.version})
      .bind(5, std::string_view{run.catalogue})
      .bind(6, std::string_view{run.inputs})
      .bind(7, std::string_view{run.estimate})
      .bind(8, run.training_days)
      .bind(9, run.facility_energy_mwh)
      .bind(10, run.operational_tco2e)
      .bind(11, run.embodied_tco2e);
  const int code = insert.run();
  if (code == SQLITE_DONE) return;
  if (code == SQLITE_CONSTRAINT_UNIQUE) {
    throw InputError(Location{path()},
                     fmt::format("the id '{}' is already in the store, saved at {}",
                                 shortened(run.id), impl_->saved_at(run.id)),
                     "give the row another id, or save to another store with --db FILE");
  }
  impl_->db.fail(code);
}

void Store::for_each(const std::function<void(const SavedRun&)>& visit) const {
  constexpr std::int64_t kBatch = 100;
  const std::int64_t last = impl_->db.integer("SELECT coalesce(max(number), 0) FROM run");
  std::int64_t before = std::numeric_limits<std::int64_t>::min();
  std::vector<SavedRun> batch;
  do {
    batch.clear();
    {
      Statement row{impl_->db, kSelect};  // in a scope of its own: it holds the read lock
      row.bind(1, before).bind(2, last).bind(3, kBatch);
      while (row.step()) {
        before = row.integer(0);
        batch.push_back(run_of(row));
      }
    }
    for (const auto& run : batch) visit(run);
  } while (!batch.empty());
}

namespace {

/// Stores of the first version have no profiles.
constexpr int kWithProfiles = 2;

}  // namespace

void Store::save_profile(const SavedProfile& profile) {
  impl_->require_writable();
  impl_->require_transaction_alive();
  Statement insert{impl_->db,
                   "INSERT INTO profile (name, saved_at, text) VALUES (?1, ?2, ?3) ON CONFLICT "
                   "(name) DO UPDATE SET saved_at = excluded.saved_at, text = excluded.text"};
  insert.bind(1, std::string_view{profile.name})
      .bind(2, std::string_view{profile.saved_at})
      .bind(3, std::string_view{profile.text});
  if (const int code = insert.run(); code != SQLITE_DONE) impl_->db.fail(code);
}

std::optional<std::string> Store::profile(std::string_view name) const {
  if (impl_->version < kWithProfiles) return std::nullopt;
  Statement row{impl_->db, "SELECT text FROM profile WHERE name = ?1"};
  row.bind(1, name);
  return row.step() ? std::optional{row.text(0)} : std::nullopt;
}

std::vector<SavedProfile> Store::profiles() const {
  std::vector<SavedProfile> all;
  if (impl_->version < kWithProfiles) return all;
  Statement row{impl_->db, "SELECT name, saved_at, text FROM profile ORDER BY name"};
  while (row.step()) all.push_back({row.text(0), row.text(1), row.text(2)});
  return all;
}

std::size_t Store::size() const {
  return static_cast<std::size_t>(impl_->db.integer("SELECT count(*) FROM run"));
}

std::vector<std::string> Store::check() const {
  const Database& db = impl_->db;
  std::vector<std::string> faults;
  // A fault that stops one question must not stop the others; a lock is no fault.
  const auto ask = [&](const auto& question) {
    try {
      question();
    } catch (const Locked&) {
      throw;
    } catch (const InputError& e) {
      faults.push_back(e.problems().front().what);
    }
  };
  ask([&] {
    const int version = recognized_version(db);
    if (version != schema_version()) {
      faults.push_back(
          fmt::format("schema: the version is {}, expected {}", version, schema_version()));
    }
  });
  ask([&] { check_integrity(db, faults); });
  ask([&] { check_foreign_keys(db, faults); });
  ask([&] { check_schema(db, schema_version(), faults); });
  ask([&] { check_json(db, "inputs", faults); });
  ask([&] { check_json(db, "estimate", faults); });
  return faults;
}

const std::string& Store::path() const { return impl_->db.path(); }
int Store::schema_version() const { return impl_->version; }

std::string default_path(const char* env_planner_db, const char* xdg_data_home, const char* home) {
  if (is_set(env_planner_db)) return env_planner_db;
  const auto in = [](fs::path folder) { return (folder / "planner" / "planner.db").string(); };
  if (is_absolute(xdg_data_home)) return in(xdg_data_home);
  if (is_absolute(home)) return in(fs::path{home} / ".local" / "share");
  throw InputError(Location{},
                   "no place for the store: none of PLANNER_DB, XDG_DATA_HOME and HOME is usable",
                   "name a file with --db FILE");
}

}  // namespace pretrain::db
