#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/architecture_catalogue.hpp"
#include "models/memory.hpp"
#include "planner/run_row.hpp"

namespace pretrain::planner {

/// An architecture that is known whole, counted once for all runs that name it.
struct CountedArchitecture {
  models::Architecture architecture;
  double params = 0;
  double active_params = 0;
  models::MemoryBasis memory;  ///< points to `architecture`

  explicit CountedArchitecture(const models::Architecture& whole);
  CountedArchitecture(const CountedArchitecture&) = delete;
  CountedArchitecture& operator=(const CountedArchitecture&) = delete;
};

/// An architecture that a run names: shipped, or read from a file.
struct NamedArchitecture {
  const models::ArchitectureSpec* spec = nullptr;  ///< null when it cannot be used
  std::optional<double> params;                    ///< published
  std::optional<double> active_params;
  const Origin* origin = nullptr;
  std::vector<std::string> warnings;
  /// Where no dimension has to be guessed: for runs that state nothing else of it.
  std::unique_ptr<const CountedArchitecture> counted;
  /// Why it cannot be used; absent where no shipped architecture has the name.
  std::optional<Problem> problem;
};

/// Finds architectures by what the column `architecture` says: the path of a config.json or of a
/// YAML file in the columns of the run table, or the name of a shipped one. Each file is read
/// once. Safe to share between threads.
class ArchitectureLibrary {
 public:
  /// The text of a file, whole; throws InputError when it cannot be read.
  using Open = std::function<std::string(const std::string& path)>;

  ArchitectureLibrary(const models::ArchitectureCatalogue& shipped,
                      const models::FamilyCatalogue& families, Open open);
  ~ArchitectureLibrary();

  const NamedArchitecture& find(std::string_view name) const;
  /// Whether the text is meant as a path: it has a folder or the ending of a file.
  static bool is_path(std::string_view name);

 private:
  struct Entry;
  std::unique_ptr<Entry> read(const std::string& path) const;

  const models::ArchitectureCatalogue& shipped_;
  const models::FamilyCatalogue& families_;
  Open open_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::unique_ptr<Entry>, std::less<>> entries_;
};

/// Whether a row states anything of its architecture but the name.
bool states_dimensions(const RunRow& row);

/// The dimensions that a row states. Families are needed only where the row names one.
models::ArchitectureSpec stated_architecture(const RunRow& row,
                                             const models::FamilyCatalogue* families);

/// The column that states a dimension.
Col column_of_field(models::Field field);

}  // namespace pretrain::planner
