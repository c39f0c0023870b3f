#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "models/goodput.hpp"
#include "models/uncertainty.hpp"
#include "planner/catalogue.hpp"
#include "planner/run_row.hpp"
#include "planner/scenario.hpp"
#include "planner/step_question.hpp"
#include "planner/warnings.hpp"

namespace pretrain::planner {

/// Work of the run.
struct Work {
  models::TokenWork token;  ///< forward, by component; meaningful where the work is counted
  Known<double> per_token;  ///< training FLOPs of one token, in the scenario's convention
  Known<Flop> compute;
};

/// Time of a step, where the architecture and a plan give it.
struct StepStage {
  std::optional<StepQuestion> question;
  models::StepTime time;
  /// Logarithm of the factor within which it holds as often as the intervals promise; 0: none.
  double half_width = 0;
  double half_width_90 = 0;  ///< the same at 90%
};

/// How fast a device works while the run makes progress.
struct Rate {
  Known<double> mfu;
  Known<double> hfu;        ///< where a model gives it instead of the MFU, or beside it
  Known<DeviceRate> flops;  ///< model FLOPs per device
  Known<double> tokens;     ///< tokens per second per device
  Known<double> batch;      ///< sequences of a step, where the row says them
  Known<Time> iteration;
};

/// What is booked, and what was solved for.
struct Duration {
  Known<double> tokens;
  Known<Devices> devices;
  Known<Time> days;
  Known<DeviceTime> booked;
  Known<double> goodput;  ///< useful share of booked time
  /// Where the rest goes, and by what; absent where the goodput is not modeled.
  std::optional<models::Goodput> shares;
  Known<double> interruptions;  ///< per 1e6 device hours
  Known<Time> checkpoint;
  Known<Time> restart;
  Known<double> productive;
};

/// Memory of a device, and whether it has as much.
struct Fit {
  std::optional<models::FitVerdict> verdict;  ///< absent: unknown
  double devices = 0;                         ///< that the plan divides the run over
  bool chose_plan = false;  ///< no degrees were stated: the first usual plan that fits
  /// False where the number of devices is a mere default: that it is too small says nothing.
  bool judged = true;

  bool infeasible() const { return verdict && judged && !verdict->fits; }
};

/// Average draw per accelerator.
struct PowerDraw {
  Known<DevicePower> device;
  Known<DevicePower> node;
  std::string_view device_equation;  ///< empty when it was given
  std::string_view node_equation;
  // Where the draw of the device is modeled.
  Known<DevicePower> idle;
  Known<DevicePower> most;
  Known<double> pace;  ///< share of the ceiling that kernels which compute reach, or all do
  models::LoadShares shares;
  models::LoadLevels levels;
  double load = 0;
  bool known_step = false;
  const hardware::Host* host = nullptr;  ///< the rest of the server
  models::HostDraw host_draw;
};

/// How far what was not given may lie from what was taken, in 90% of all cases.
struct Spreads {
  models::Spread time;     ///< of a step
  models::Spread goodput;  ///< booked time for the same work
  models::Spread device_power;
  models::Spread node_power;
  models::Spread pue;
  models::Spread intensity;
  models::Spread footprint;
  models::Spread lifetime;
  models::Spread utilization;
};

/// Energy by scope. A scope contains those before it; they are never added.
struct EnergyUse {
  Known<Energy> device;
  Known<Energy> node;
  Known<Energy> facility;
};

/// Greenhouse gases. `offset` is what the provider says it compensates: beside, never subtracted.
struct MassRange {
  Mass low;
  Mass mid;
  Mass high;
};

/// Chips by what making them emits.
struct Chips {
  const hardware::FabNode* node = nullptr;  ///< null: not counted
  const hardware::Host* host_row = nullptr;
  double kg_per_cm2 = 0;
  double packages = 0;
  MassRange device;
  MassRange host;
};

struct CarbonResult {
  Known<CarbonIntensity> intensity;  ///< of the electricity, over the hours of the run where known
  Known<Mass> operational;
  Known<Mass> offset;
  Known<Mass> embodied;
  Known<Mass> total;
  Embodied embodied_method = Embodied::best;
  std::string_view embodied_equation;
  const hardware::Footprint* card = nullptr;  ///< or the device with its host
  const hardware::Footprint* host = nullptr;
  Known<DeviceMass> per_device;
  Chips chips;
  MassRange guessed;  ///< of a card without a footprint, from its chips; else 0
  // LLMCarbon: the die of an accelerator, the chips of a server, and how many servers.
  Known<DeviceMass> die;
  Known<Mass> server_chips;
  double servers = 0;
};

/// The chain of one run. Nothing is thrown away: output only reads.
struct Estimate {
  Work work;
  StepStage step;
  Rate rate;
  Duration duration;
  Fit fit;
  PowerDraw power;
  EnergyUse energy;
  CarbonResult carbon;
  Spreads spreads;
};

/// Why a row has no estimate.
struct RowFailure {
  /// A remedy that names the nearest known names is made when it is shown: a table may have
  /// millions of rows with the same unknown name.
  enum class Nearest : std::uint8_t { none, devices, architectures, families };

  std::string what;
  std::string help;
  Col col = Col::name;
  Nearest nearest = Nearest::none;
  std::string_view wanted{};  ///< the unknown name
};

/// The remedy of a failure, for people.
std::string remedy(const RowFailure& failure, const Catalogue& catalogue);

/// What became of a row.
enum class Status : std::uint8_t {
  ok,
  infeasible,  ///< computed, but it does not fit in the memory of its devices
  error,       ///< not computed: see `failure`
};
std::string_view name_of(Status status);

/// A row, computed or not. Reused from row to row.
struct Result {
  bool ok = false;  ///< computed: there is an estimate, of a run that fits or not
  RowFailure failure;
  Scenario scenario;
  Estimate estimate;
  Warnings warnings;

  Status status() const {
    if (!ok) return Status::error;
    return estimate.fit.infeasible() ? Status::infeasible : Status::ok;
  }
};

/// Why the status is not ok; empty where it is.
std::string reason(const Result& result);
/// What would mend it, for people: made when it is shown, because trying remedies takes time.
std::string remedy(const Result& result, const Catalogue& catalogue);

/// Fills the blanks of a row from catalogues and defaults. False with `failure` set when the row
/// contradicts itself.
bool resolve(const RunRow& row, const Catalogue& catalogue, const EstimateOptions& options,
             Scenario& scenario, Warnings& warnings, RowFailure& failure);

/// Training FLOPs of one token in any convention; absent where the row knows no architecture and
/// the convention is not 6 N D.
std::optional<double> flop_per_token(const Scenario& scenario, const Work& work,
                                     models::FlopConvention convention);

/// Scenario -> work -> rate -> duration -> memory -> power -> energy -> carbon. Each stage is
/// present exactly when it can be computed. False when the stated values contradict each other, or
/// when nothing can be computed. Same input, same output; no I/O.
bool estimate(const Scenario& scenario, const Catalogue& catalogue, Estimate& result,
              Warnings& warnings, RowFailure& failure);

/// Both, from a row of a run table.
void estimate_row(const RunRow& row, const Catalogue& catalogue, const EstimateOptions& options,
                  Result& result);

}  // namespace pretrain::planner
