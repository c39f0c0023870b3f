#include "db/store.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "db/schema.hpp"
#include "db/statement.hpp"
#include "tests/support.hpp"

namespace pretrain::db {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using Mode = Store::Mode;

/// A folder of its own for each test, removed at its end.
class Folder {
 public:
  Folder() {
    std::string name = testing::TempDir() + "planner_store_XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp " + name);
    path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

SavedRun run(const std::string& id, const std::string& name = "a run") {
  return {.id = id,
          .name = name,
          .saved_at = "2026-11-21T12:00:00Z",
          .version = "0.1.0",
          .catalogue = "c0ffee",
          .inputs = R"({"device": "A100"})",
          .estimate = R"({"status": "ok"})",
          .training_days = 14.8,
          .facility_energy_mwh = 1287.0,
          .operational_tco2e = 552.1,
          .embodied_tco2e = std::nullopt};
}

std::vector<SavedRun> all_of(const Store& store) {
  std::vector<SavedRun> runs;
  store.for_each([&](const SavedRun& saved) { runs.push_back(saved); });
  return runs;
}

std::string bytes_of(const std::string& file) {
  std::ifstream in{file, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

void write_bytes(const std::string& file, const std::string& bytes) {
  std::ofstream{file, std::ios::binary} << bytes;
}

/// Runs SQL on a file as any other program might.
void tamper(const std::string& file, const std::string& sql) {
  Database{file, file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE}.execute(sql);
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += line + '\n';
  return text;
}

TEST(Store, GivesBackWhatWasSavedInTheSameOrder) {
  const Folder folder;
  const std::string file = folder.file("new/sub/planner.db");  // folders are made on the way
  SavedRun odd = run("z-1", "Größe 大型 🚀 'quoted'; DROP TABLE run;--");
  odd.name += std::string("\0after a NUL", 12);
  odd.inputs = R"({"name": "ü", "nested": {"a": [1, 2]}})";
  odd.training_days = std::nullopt;
  odd.facility_energy_mwh = 0.0;  // zero is a number, not unknown
  odd.operational_tco2e = 1.0 / 3.0;
  odd.embodied_tco2e = 5e-324;
  const std::vector<SavedRun> saved = {odd, run("a-2"), run("", "no id"), run("", "none either")};
  {
    Store store = Store::open(file, Mode::write);
    EXPECT_EQ(store.path(), file);
    EXPECT_EQ(store.size(), 0U);
    store.begin();
    for (const auto& one : saved) store.save(one);
    store.commit();
  }
  const Store store = Store::open(file, Mode::read);
  EXPECT_EQ(store.size(), 4U);
  EXPECT_EQ(all_of(store), saved);
  EXPECT_EQ(store.check(), std::vector<std::string>{});
  EXPECT_FALSE(fs::exists(file + "-journal"));
}

TEST(Store, VisitsManyRunsAndLetsTheVisitorSave) {
  const Folder folder;
  Store store = Store::open(folder.file("planner.db"), Mode::write);
  store.begin();
  for (int i = 0; i < 250; ++i) store.save(run("", std::to_string(i)));
  store.commit();
  int next = 0;
  Store other = Store::open(folder.file("planner.db"), Mode::write, milliseconds{50});
  store.for_each([&](const SavedRun& saved) {
    EXPECT_EQ(saved.name, std::to_string(next++));
    if (next % 50 == 0) other.save(run(""));  // a slow reader holds up no writer
  });
  EXPECT_EQ(next, 250);
  EXPECT_EQ(store.size(), 255U);
}

TEST(Store, SaysWhenARepeatedIdWasSaved) {
  const Folder folder;
  const std::string file = folder.file("planner.db");
  Store store = Store::open(file, Mode::write);
  store.save(run("gpt3"));
  SavedRun again = run("gpt3");
  again.saved_at = "2026-12-01T00:00:00Z";
  store.begin();
  store.save(run("before"));
  EXPECT_EQ(diagnostic_of([&] { store.save(again); }),
            file +
                ": error: the id 'gpt3' is already in the store, saved at 2026-11-21T12:00:00Z\n"
                "  help: give the row another id, or save to another store with --db FILE");
  store.commit();
  EXPECT_EQ(store.size(), 2U);
}

TEST(Store, KeepsNothingWithoutCommit) {
  const Folder folder;
  const std::string file = folder.file("planner.db");
  {
    Store store = Store::open(file, Mode::write);
    store.begin();
    store.save(run("1"));
    Store moved = std::move(store);  // the transaction moves along
    moved.save(run("2"));
    EXPECT_EQ(moved.size(), 2U);
  }
  Store store = Store::open(file, Mode::write);
  EXPECT_EQ(store.size(), 0U);
  store.begin();
  store.save(run("1"));
  store = Store::open(folder.file("other.db"), Mode::write);  // assignment rolls back, too
  EXPECT_EQ(Store::open(file, Mode::read).size(), 0U);
}

TEST(Store, RefusesNumbersThatAreNotFinite) {
  const Folder folder;
  Store store = Store::open(folder.file("planner.db"), Mode::write);
  SavedRun bad = run("x");
  bad.embodied_tco2e = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(problem_of([&] { store.save(bad); }).what,
            "embodied_tco2e of run 'a run' is not a finite number");
  EXPECT_EQ(store.size(), 0U);
}

TEST(Store, TakesACallersMistakeForABug) {
  const Folder folder;
  const std::string file = folder.file("planner.db");
  Store store = Store::open(file, Mode::write);
  EXPECT_THROW(store.commit(), std::logic_error);
  SavedRun bad = run("x");
  bad.estimate = "[1, 2]";
  EXPECT_THROW(store.save(bad), std::logic_error);
  bad.estimate = "{";
  EXPECT_THROW(store.save(bad), std::logic_error);
  bad = run("x");
  bad.saved_at = "yesterday";
  EXPECT_THROW(store.save(bad), std::logic_error);
  Store reader = Store::open(file, Mode::read);
  EXPECT_THROW(reader.begin(), std::logic_error);
  EXPECT_THROW(reader.save(run("x")), std::logic_error);
  store.begin();
  EXPECT_THROW(store.begin(), std::logic_error);
}

TEST(Store, MigratesAnEmptyFile) {
  const Folder folder;
  const std::string file = folder.file("planner.db");
  write_bytes(file, "");
  EXPECT_EQ(diagnostic_of([&] { Store::open(file, Mode::read); }),
            file +
                ": error: an empty file, not yet a store\n"
                "  help: `planner estimate FILE --save` fills it, or name another store with "
                "--db FILE");
  EXPECT_EQ(bytes_of(file), "");
  {
    const Store store = Store::open(file, Mode::write);
    EXPECT_EQ(store.schema_version(), static_cast<int>(embedded_files().size()));
    EXPECT_EQ(store.check(), std::vector<std::string>{});
  }
  const Database raw{file, file, SQLITE_OPEN_READONLY};
  EXPECT_EQ(raw.integer("PRAGMA user_version"), static_cast<int>(embedded_files().size()));
  EXPECT_EQ(raw.integer("PRAGMA application_id"), kApplicationId);
}

TEST(Store, ProfilesAreKeptByName) {
  const Folder folder;
  const std::string file = folder.file("planner.db");
  {
    Store store = Store::open(file, Mode::write);
    store.save_profile({"b", "2026-11-21T12:00:00Z", "first"});
    store.save_profile({"a", "2026-11-21T12:00:01Z", "other"});
    store.save_profile({"b", "2026-11-21T12:00:02Z", "second"});
    EXPECT_EQ(store.check(), std::vector<std::string>{});
  }
  const Store store = Store::open(file, Mode::read);
  EXPECT_EQ(store.profile("b"), "second");
  EXPECT_EQ(store.profile("c"), std::nullopt);
  const auto all = store.profiles();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].name, "a");
  EXPECT_EQ(all[1].saved_at, "2026-11-21T12:00:02Z");
  EXPECT_EQ(store.size(), 0U);
}

TEST(Store, StoresOfTheFirstVersionHaveNoProfiles) {
  const Folder folder;
  const std::string file = folder.file("planner.db");
  {
    const Database raw{file, file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE};
    raw.execute(std::string{embedded_files()[0].text()});
    raw.execute("PRAGMA application_id = " + std::to_string(kApplicationId));
    raw.execute("PRAGMA user_version = 1");
  }
  {
    const Store old = Store::open(file, Mode::read);
    EXPECT_EQ(old.profile("a"), std::nullopt);
    EXPECT_TRUE(old.profiles().empty());
  }
  Store store = Store::open(file, Mode::write);
  store.save_profile({"a", "2026-11-21T12:00:00Z", "text"});
  EXPECT_EQ(store.schema_version(), static_cast<int>(embedded_files().size()));
  EXPECT_EQ(store.check(), std::vector<std::string>{});
}

TEST(Store, MigratesADatabaseWithoutTables) {
  const Folder folder;
  const std::string file = folder.file("planner.db");
  tamper(file, "CREATE TABLE t (x); DROP TABLE t;");  // version 0, but not an empty file
  ASSERT_GT(fs::file_size(file), 0U);
  Store store = Store::open(file, Mode::write);
  store.save(run("1"));
  EXPECT_EQ(store.check(), std::vector<std::string>{});
}

TEST(Store, RefusesANewerSchema) {
  const Folder folder;
  const std::string file = folder.file("planner.db");
  Store::open(file, Mode::write);
  tamper(file, "PRAGMA user_version = 99");
  const std::string before = bytes_of(file);
  const std::string known = std::to_string(embedded_files().size());
  for (const Mode mode : {Mode::read, Mode::write}) {
    EXPECT_EQ(diagnostic_of([&] { Store::open(file, mode); }),
              file +
                  ": error: made by a newer planner: its schema version is 99, this planner knows "
                  "versions up to " +
                  known + "\n  help: upgrade the planner, or name another store with --db FILE");
  }
  EXPECT_EQ(bytes_of(file), before);
}

TEST(Store, RefusesForeignFilesAndLeavesThemAlone) {
  const Folder folder;
  const std::string text = folder.file("notes.txt");
  const std::string other = folder.file("other.db");
  const std::string marked = folder.file("marked.db");
  for (const std::size_t size : {20U, 5000U}) {
    write_bytes(text, std::string(size, 'x'));
    for (const Mode mode : {Mode::read, Mode::write}) {
      EXPECT_EQ(diagnostic_of([&] { Store::open(text, mode); }),
                text +
                    ": error: not a store of the planner (file is not a database)\n"
                    "  help: name another file with --db FILE");
    }
    EXPECT_EQ(bytes_of(text), std::string(size, 'x'));
  }
  tamper(other, "PRAGMA journal_mode = WAL; CREATE TABLE bookmarks (url TEXT);");
  tamper(marked, "PRAGMA application_id = 7;");
  for (const auto& file : {other, marked}) {
    const std::string before = bytes_of(file);
    for (const Mode mode : {Mode::read, Mode::write}) {
      EXPECT_EQ(diagnostic_of([&] { Store::open(file, mode); }),
                file +
                    ": error: a database of another application, not a store of the planner\n"
                    "  help: name another store with --db FILE");
    }
    EXPECT_EQ(bytes_of(file), before);
  }
}

TEST(Store, RefusesPlacesThatCannotHoldAStore) {
  const Folder folder;
  const std::string missing = folder.file("none/planner.db");
  EXPECT_EQ(diagnostic_of([&] { Store::open(missing, Mode::read); }),
            missing +
                ": error: there is no such store\n"
                "  help: `planner estimate FILE --save` creates it, or name another store with "
                "--db FILE");
  EXPECT_FALSE(fs::exists(folder.file("none")));
  EXPECT_EQ(problem_of([&] { Store::open(folder.file(""), Mode::write); }).what,
            "a folder, not a store");
  EXPECT_EQ(problem_of([&] { Store::open("/dev/null", Mode::write); }).what, "not a regular file");
  EXPECT_EQ(problem_of([&] { Store::open("", Mode::write); }).what, "the store has an empty name");
  write_bytes(folder.file("plain"), "text");
  const Problem below = problem_of([&] { Store::open(folder.file("plain/x.db"), Mode::write); });
  EXPECT_TRUE(contains(below.what, "Not a directory")) << below.what;
}

TEST(Store, TakesEveryNameForAFile) {
  const Folder folder;
  const fs::path before = fs::current_path();
  fs::current_path(folder.file(""));
  Store::open(":memory:", Mode::write).save(run("1"));
  Store::open("file:x?mode=memory", Mode::write).save(run("1"));
  EXPECT_EQ(Store::open(":memory:", Mode::read).size(), 1U);
  EXPECT_EQ(Store::open("file:x?mode=memory", Mode::read).size(), 1U);
  fs::current_path(before);
}

TEST(Store, NeedsPermission) {
  if (geteuid() == 0) GTEST_SKIP() << "root may do everything";
  const Folder folder;
  const std::string file = folder.file("planner.db");
  Store::open(file, Mode::write).save(run("1"));
  fs::permissions(file, fs::perms::owner_read);
  EXPECT_EQ(Store::open(file, Mode::read).size(), 1U);
  EXPECT_EQ(problem_of([&] { Store::open(file, Mode::write); }).what,
            "no permission to write the store");
  fs::permissions(file, fs::perms::none);
  const Problem closed = problem_of([&] { Store::open(file, Mode::read); });
  EXPECT_TRUE(contains(closed.what, "Permission denied")) << closed.what;
}

TEST(Store, WaitsForAnotherWriterThenSaysSo) {
  const Folder folder;
  const std::string file = folder.file("planner.db");
  Store first = Store::open(file, Mode::write);
  Store second = Store::open(file, Mode::write, milliseconds{100});
  first.begin();
  first.save(run("1"));
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(diagnostic_of([&] { second.begin(); }),
            file +
                ": error: the store is locked by another planner (database is locked)\n"
                "  help: try again when it has finished, or use another store with --db FILE");
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds{90});
  EXPECT_THROW(second.save(run("2")), Locked);
  EXPECT_EQ(second.size(), 0U);  // reading goes on
  first.commit();
  second.begin();  // usable again
  second.save(run("2"));
  second.commit();
  EXPECT_EQ(first.size(), 2U);
}

TEST(Store, ReturnsToTheRollbackJournal) {
  const Folder folder;
  const std::string file = folder.file("planner.db");
  Store::open(file, Mode::write).save(run("1"));
  tamper(file, "PRAGMA journal_mode = WAL");
  Store::open(file, Mode::write).save(run("2"));
  const Database raw{file, file, SQLITE_OPEN_READONLY};
  Statement mode{raw, "PRAGMA journal_mode"};
  ASSERT_TRUE(mode.step());
  EXPECT_EQ(mode.text(0), "delete");
}

TEST(Store, SaysThatTheDiskIsFull) {
  const Folder folder;
  const std::string file = folder.file("planner.db");
  const Database db{"planner.db", file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE};
  EXPECT_EQ(diagnostic_of([&] {
              db.execute(
                  "PRAGMA max_page_count = 2; CREATE TABLE t (x);"
                  "INSERT INTO t VALUES (zeroblob(100000));");
            }),
            "planner.db: error: the disk is full or the quota is used up (database or disk is "
            "full)\n  help: make room, or save to another disk with --db FILE; nothing of this "
            "save was kept");
}

/// Exit status of `act` in a process of its own; 99 when it throws.
template <class Act>
int status_in_child(Act act) {
  const pid_t child = fork();
  if (child == 0) {
    int status = 99;
    try {
      status = act();
    } catch (...) {
      // 99 says so
    }
    _exit(status);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

TEST(Store, KeepsNothingAfterAUsedUpQuota) {
  const Folder folder;
  const std::string file = folder.file("planner.db");
  Store::open(file, Mode::write).save(run("kept"));
  // A limit on the file size makes writes fail as a quota does.
  EXPECT_EQ(status_in_child([&] {
              signal(SIGXFSZ, SIG_IGN);
              const rlimit limit{65536, 65536};
              setrlimit(RLIMIT_FSIZE, &limit);
              Store store = Store::open(file, Mode::write);
              store.begin();
              SavedRun large = run("");
              large.inputs = R"({"note": ")" + std::string(300000, 'x') + "\"}";
              try {
                // More than the page cache holds, so that a save fails and not the commit.
                for (int i = 0; i < 20; ++i) store.save(large);
                return 1;
              } catch (const InputError& e) {
                if (!contains(e.what(), "the quota is used up")) return 2;
              }
              try {
                store.save(run("alone"));
                return 3;
              } catch (const InputError&) {
                // must not be kept on its own
              }
              try {
                store.commit();
                return 4;
              } catch (const InputError&) {
                return 0;
              }
            }),
            0);
  const Store store = Store::open(file, Mode::read);
  EXPECT_EQ(store.size(), 1U);
  EXPECT_EQ(store.check(), std::vector<std::string>{});
}

TEST(StoreCheck, FindsOverwrittenBytes) {
  const Folder folder;
  const std::string file = folder.file("planner.db");
  {
    Store store = Store::open(file, Mode::write);
    store.begin();
    for (int i = 0; i < 500; ++i) store.save(run("id-" + std::to_string(i)));
    store.commit();
  }
  const std::string good = bytes_of(file);
  ASSERT_GT(good.size(), 16 * 4096U);
  std::string bad = good;
  std::fill_n(bad.begin() + 8 * 4096, 200, '\xA5');  // header of a page
  write_bytes(file, bad);
  EXPECT_FALSE(Store::open(file, Mode::read).check().empty());
  write_bytes(file, good.substr(0, good.size() / 2));  // cut by a failed copy
  try {
    EXPECT_FALSE(Store::open(file, Mode::read).check().empty());
  } catch (const InputError& e) {
    EXPECT_TRUE(contains(e.what(), "the store is damaged")) << e.what();
  }
  // Any page may be hit: a fault or an InputError, never another exception, never silence when
  // the b-tree's own bytes are hit.
  for (std::size_t page = 0; page * 4096 < good.size(); ++page) {
    bad = good;
    std::fill_n(bad.begin() + static_cast<std::ptrdiff_t>(page * 4096), 12, '\xFF');
    write_bytes(file, bad);
    try {
      EXPECT_FALSE(Store::open(file, Mode::read).check().empty()) << "page " << page;
    } catch (const InputError&) {
      EXPECT_LE(page, 1U);
    }
  }
  write_bytes(file, good);
  EXPECT_EQ(Store::open(file, Mode::read).check(), std::vector<std::string>{});
}

TEST(StoreCheck, NamesTheRunWhoseJsonIsNotJson) {
  const Folder folder;
  const std::string file = folder.file("planner.db");
  Store::open(file, Mode::write).save(run("1", "my run"));
  tamper(file, "PRAGMA ignore_check_constraints = ON; UPDATE run SET inputs = '{\"a\":'");
  const std::string faults = joined(Store::open(file, Mode::read).check());
  EXPECT_TRUE(contains(faults, "run 1 ('my run'): 'inputs' is not a JSON object\n")) << faults;
}

TEST(StoreCheck, FindsAMissingIndexAndAForeignVersion) {
  const Folder folder;
  const std::string file = folder.file("planner.db");
  const Store store = Store::open(file, Mode::write);
  tamper(file, "DROP INDEX run_id");
  EXPECT_EQ(store.check(), std::vector<std::string>{"schema: the index 'run_id' is missing"});
  tamper(file, "DROP TABLE run; PRAGMA user_version = 99");
  const std::string faults = joined(store.check());
  EXPECT_TRUE(contains(faults, "its schema version is 99")) << faults;
  EXPECT_TRUE(contains(faults, "the table 'run' is missing")) << faults;
  EXPECT_TRUE(contains(problem_of([&] { static_cast<void>(store.size()); }).what, "no such table"));
  tamper(file, "PRAGMA application_id = 7");
  EXPECT_TRUE(contains(joined(store.check()), "another application"));
}

/// Saves `per_commit` runs at a time and reports each commit with a byte, until killed.
[[noreturn]] void save_until_killed(const std::string& file, int round, int per_commit, int pipe) {
  try {
    Store store = Store::open(file, Mode::write);
    for (int n = 0;; ++n) {
      store.begin();
      for (int i = 0; i < per_commit; ++i) {
        store.save(run(std::to_string(round) + "-" + std::to_string(n) + "-" + std::to_string(i)));
      }
      store.commit();
      if (write(pipe, "c", 1) != 1) _exit(2);
    }
  } catch (...) {
    _exit(1);
  }
}

/// Kills a child that saves after `delay`; returns the number of commits that it had reported.
std::size_t commits_until_killed(const std::string& file, int round, int per_commit,
                                 std::chrono::microseconds delay) {
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error("pipe");
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    save_until_killed(file, round, per_commit, ends[1]);
  }
  close(ends[1]);
  usleep(static_cast<useconds_t>(delay.count()));
  kill(child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status)) << "the child failed by itself, status " << status;
  std::size_t reported = 0;
  char buffer[4096];
  for (ssize_t got = 0; (got = read(ends[0], buffer, sizeof buffer)) > 0;) {
    reported += static_cast<std::size_t>(got);
  }
  close(ends[0]);
  return reported;
}

TEST(StoreKilled, KeepsExactlyWhatWasCommitted) {
  const Folder folder;
  const std::string file = folder.file("planner.db");
  Store::open(file, Mode::write);
  constexpr int kPerCommit = 3;
  std::mt19937 random{20261121};
  std::uniform_int_distribution<int> delay{500, 60000};
  std::size_t before = 0;
  std::size_t commits = 0;
  int interrupted = 0;
  for (int round = 0; round < 20; ++round) {
    const std::size_t reported =
        commits_until_killed(file, round, kPerCommit, std::chrono::microseconds{delay(random)});
    if (fs::exists(file + "-journal")) ++interrupted;
    // A reader must be able to undo the interrupted save as well as a writer.
    const Store store = Store::open(file, round % 2 == 0 ? Mode::read : Mode::write);
    EXPECT_EQ(store.check(), std::vector<std::string>{});
    const std::size_t rows = store.size() - before;
    EXPECT_EQ(rows % kPerCommit, 0U) << "a transaction was torn";
    const std::size_t kept = rows / kPerCommit;
    EXPECT_TRUE(kept == reported || kept == reported + 1) << kept << " kept of " << reported;
    before = store.size();
    commits += reported;
  }
  EXPECT_GT(commits, 0U);
  RecordProperty("commits", static_cast<int>(commits));
  RecordProperty("interrupted", interrupted);
}

TEST(StoreKilled, UndoesWhatWasAlreadyInTheFile) {
  const Folder folder;
  const std::string file = folder.file("planner.db");
  for (const Mode mode : {Mode::read, Mode::write}) {
    fs::remove(file);
    Store::open(file, Mode::write).save(run("kept"));
    const auto size = fs::file_size(file);
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
      close(ends[0]);
      try {
        Store store = Store::open(file, Mode::write);
        store.begin();
        SavedRun large = run("");
        large.inputs = R"({"note": ")" + std::string(100000, 'x') + "\"}";
        for (int i = 0; i < 40; ++i) store.save(large);  // more than the page cache holds
        if (write(ends[1], "s", 1) == 1) pause();
      } catch (...) {
        // the closed pipe says so
      }
      _exit(1);
    }
    close(ends[1]);
    char byte = 0;
    EXPECT_EQ(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    EXPECT_GT(fs::file_size(file), size);
    const Store store = Store::open(file, mode);
    EXPECT_EQ(store.check(), std::vector<std::string>{});
    EXPECT_EQ(all_of(store), std::vector<SavedRun>{run("kept")});
    EXPECT_EQ(fs::file_size(file), size);
  }
}

TEST(StoreKilled, CanBeOpenedWhenKilledAtItsCreation) {
  const Folder folder;
  std::mt19937 random{7};
  std::uniform_int_distribution<int> delay{0, 6000};
  for (int round = 0; round < 15; ++round) {
    const std::string file = folder.file(std::to_string(round) + ".db");
    const std::size_t reported =
        commits_until_killed(file, round, 1, std::chrono::microseconds{delay(random)});
    const Store store = Store::open(file, Mode::write);
    EXPECT_EQ(store.check(), std::vector<std::string>{});
    EXPECT_TRUE(store.size() == reported || store.size() == reported + 1);
  }
}

TEST(Store, IsCreatedOnceByManyAtATime) {
  const Folder folder;
  const std::string file = folder.file("planner.db");
  std::vector<pid_t> children;
  constexpr int kChildren = 8;
  for (int i = 0; i < kChildren; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      try {
        Store::open(file, Mode::write, milliseconds{20000}).save(run(std::to_string(i)));
        _exit(0);
      } catch (const std::exception& e) {
        std::fprintf(stderr, "%s\n", e.what());
        _exit(1);
      }
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(Store::open(file, Mode::read).size(), static_cast<std::size_t>(kChildren));
}

TEST(DefaultPath, FollowsTheEnvironment) {
  EXPECT_EQ(default_path("my.db", "/xdg", "/home/me"), "my.db");
  EXPECT_EQ(default_path(nullptr, "/xdg", "/home/me"), "/xdg/planner/planner.db");
  EXPECT_EQ(default_path("", "/xdg/", "/home/me"), "/xdg/planner/planner.db");
  EXPECT_EQ(default_path("", "relative", "/home/me"), "/home/me/.local/share/planner/planner.db");
  EXPECT_EQ(default_path(nullptr, nullptr, "/home/me"), "/home/me/.local/share/planner/planner.db");
  EXPECT_EQ(default_path(nullptr, "", "/"), "/.local/share/planner/planner.db");
  for (const char* home : {static_cast<const char*>(nullptr), "", "relative"}) {
    EXPECT_EQ(diagnostic_of([&] { default_path(nullptr, nullptr, home); }),
              "error: no place for the store: none of PLANNER_DB, XDG_DATA_HOME and HOME is "
              "usable\n  help: name a file with --db FILE");
  }
}

}  // namespace
}  // namespace pretrain::db
