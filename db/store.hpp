#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pretrain::db {

/// One saved estimate. An absent number is unknown, never 0.
struct SavedRun {
  std::string id;  ///< empty = none; unique where present
  std::string name;
  std::string saved_at;   ///< UTC, ISO 8601 "2026-11-21T12:00:00Z", filled by the caller
  std::string version;    ///< of the planner
  std::string catalogue;  ///< hash of the data tables
  std::string inputs;     ///< JSON object: run-table cells as given
  std::string estimate;   ///< JSON object: the run as in the output contract
  std::optional<double> training_days, facility_energy_mwh, operational_tco2e, embodied_tco2e;

  friend bool operator==(const SavedRun&, const SavedRun&) = default;
};

/// What was learnt of a cluster, as a profile's own text.
struct SavedProfile {
  std::string name;
  std::string saved_at;  ///< UTC, filled by the caller
  std::string text;
};

/// The file that keeps saved runs and profiles. One writer at a time; what was committed survives a
/// killed process, what was not leaves no trace. Whatever the file, the disk or another process
/// does wrong is an InputError that names the file and a remedy. Not for use by two threads at
/// once, nor across fork().
class Store {
 public:
  enum class Mode { read, write };

  /// How long to wait for another planner's lock.
  static constexpr std::chrono::milliseconds kPatience{5000};

  /// Opens the store; `write` creates it with its folder and migrates it. Throws InputError when
  /// that cannot be done: missing (read), not a database, another application's, made by a newer
  /// planner, no permission, locked, disk full. A refused file is left as it was.
  static Store open(const std::string& path, Mode mode,
                    std::chrono::milliseconds patience = kPatience);

  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  ~Store();

  /// Everything saved between begin and commit is kept or nothing is. Without commit, destruction
  /// rolls back.
  void begin();
  void commit();

  /// Outside begin and commit, a save is kept at once. Throws InputError if the id exists already;
  /// the saves before it may still be committed. REQUIRES: opened to write; a well-formed run.
  void save(const SavedRun& run);

  /// Takes the place of one with the same name. REQUIRES: opened to write.
  void save_profile(const SavedProfile& profile);
  std::optional<std::string> profile(std::string_view name) const;
  /// By name.
  std::vector<SavedProfile> profiles() const;

  /// In the order saved, those that were there at the call. Constant memory; the store is not
  /// locked while `visit` runs, so a slow reader holds up no writer.
  void for_each(const std::function<void(const SavedRun&)>& visit) const;
  std::size_t size() const;

  /// Reads everything. Empty when all is well, else one line for each fault (up to 100 of a kind).
  std::vector<std::string> check() const;

  /// As given to open().
  const std::string& path() const;
  int schema_version() const;

 private:
  struct Impl;
  explicit Store(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// $PLANNER_DB, else $XDG_DATA_HOME/planner/planner.db (the XDG standard ignores a relative one),
/// else $HOME/.local/share/planner/planner.db; null or empty = not set. Throws InputError when
/// none is left.
std::string default_path(const char* env_planner_db, const char* xdg_data_home, const char* home);

}  // namespace pretrain::db
