#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pretrain::validation {

/// A published run, as db/runs.csv has it.
struct PublishedRun {
  std::string_view name;
  double params_b = 0;
  double tokens_b = 0;
  std::string_view device;
  std::optional<double> device_hours;
  std::optional<double> energy_mwh;
  std::string_view energy_scope;
  std::optional<double> tco2e;
  std::string_view source;
  std::string_view url;
};

/// Those nearest to so many parameters and tokens that tell energy, hours or carbon.
std::vector<PublishedRun> published_near(double params, double tokens, std::size_t count);

/// How often the predictions of this version hold: validation/accuracy.csv.
struct Accuracy {
  std::string_view quantity;
  double runs = 0;
  double median_error = 0;
  double within_20 = 0;
  std::optional<double> held;  ///< by the 90% interval
};
std::vector<Accuracy> accuracy();

}  // namespace pretrain::validation
