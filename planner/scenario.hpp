#pragma once

#include <array>
#include <bitset>
#include <optional>
#include <string_view>

#include "hardware/device.hpp"
#include "hardware/embodied_table.hpp"
#include "hardware/grid.hpp"
#include "hardware/hourly.hpp"
#include "models/architecture_spec.hpp"
#include "models/core/known.hpp"
#include "models/core/units.hpp"
#include "models/memory.hpp"
#include "models/training_compute.hpp"
#include "models/uncertainty.hpp"
#include "planner/catalogue.hpp"

namespace pretrain::planner {

/// How work and efficiency are modeled where they are not given.
enum class Method {
  full,       ///< from the architecture where it is known, else as six_nd
  six_nd,     ///< 6 N D, LLMCarbon's regression corrected to model FLOPs
  llmcarbon,  ///< 6 N D over LLMCarbon's regression as it is, its embodied table: a baseline
};

/// Which boundary the embodied carbon has.
enum class Embodied {
  best,       ///< that of the method: server, or llmcarbon for LLMCarbon's
  act,        ///< dies, memory and packages of accelerators and hosts
  llmcarbon,  ///< LLMCarbon's chips of accelerators and servers
  card,       ///< accelerators as delivered, no hosts
  server,     ///< accelerators with their hosts
};

/// What of the published measurements is taken as given, to judge the rest apart.
enum class Taken {
  nothing,
  hours,  ///< reported hours, or days, instead of predicted ones
  power,  ///< measured draw
};

/// Whose plan it is.
enum class PlanMode {
  stated,  ///< what the row says; blanks are filled as people run such models
  usual,   ///< whatever the row says: as people run such models
  best,    ///< whatever the row says: the fastest that fits
};

/// Of cells that a search filled in (BestPlans).
inline const Origin kSearchedPlan{"the best plan of the space that planner plan searches", "", "",
                                  true};

class Draws;

/// An hourly grid that takes the place of yearly averages.
struct HourlyGrid {
  hardware::IntensitySeries series;
  std::optional<hardware::TimePoint> start;  ///< of runs that do not say; absent: its beginning
  /// Where the start is open: the mean that takes the place of that over the run's own hours.
  std::optional<CarbonIntensity> open;
  Origin origin;
};

/// What is told beside the run itself.
struct Asked {
  bool experiments = false;
  bool storage = false;
  bool inference = false;
  std::optional<double> price_per_device_hour = {};  ///< of runs that do not say
  std::optional<double> price_per_kwh = {};

  bool any() const {
    return experiments || storage || inference || price_per_device_hour || price_per_kwh;
  }
};

/// What a command asks for beside the rows.
struct EstimateOptions {
  bool blind = false;
  Taken taken = Taken::nothing;
  Method method = Method::full;
  Embodied embodied = Embodied::best;
  Grid grid = Grid::current;
  PlanMode plan = PlanMode::stated;
  std::bitset<kColumns> searched = {};  ///< cells of the row that a search filled in
  double interval = 0.9;         ///< share of runs that the intervals promise to hold; 0: none
  const Draws* draws = nullptr;  ///< intervals are drawn, else in closed form
  const HourlyGrid* hourly = nullptr;
  Asked asked = {};
};

/// How the run is divided and what it keeps in memory, as far as the row says it.
/// How a model is divided among devices; what a row does not say is absent.
struct StatedDegrees {
  std::optional<double> tp;
  std::optional<double> pp;
  std::optional<double> dp;
  std::optional<double> cp;
  std::optional<double> ep;
  std::optional<double> interleave;
  std::optional<double> micro_batch;    ///< sequences
  std::optional<double> micro_batches;  ///< of a replica and step

  /// Whether the row says how the model was divided: published plans leave degrees of 1 blank. How
  /// sequences are divided says nothing of that.
  bool divided() const { return tp || pp || dp; }
  double degree(const std::optional<double>& stated) const { return stated.value_or(1); }
  /// Devices of one replica.
  double replica() const { return degree(tp) * degree(pp) * degree(cp); }
};

struct StatedPlan : StatedDegrees {
  StatedDegrees aside;  ///< what the row states, where the fastest plan is looked for
  std::optional<double> weight_bytes;
  std::optional<double> gradient_bytes;
  std::optional<double> optimizer_bytes;
  std::optional<double> year;          ///< of the software, else of the source
  std::optional<double> node_network;  ///< Gbit/s of a node
  std::optional<models::Sharding> sharding;
  std::optional<models::Loss> loss;
  std::optional<bool> sequence_parallel;
  std::optional<bool> overlap_gradients;
  std::optional<bool> scatter_gather;
  std::string_view near_groups;  ///< as typed; empty: all
  std::optional<bool> edges_as_layers;
  std::optional<bool> vocab_parallel;
  std::optional<bool> flash_attention;
  std::optional<bool> dropout;
  std::optional<bool> fused_kernels;
  std::optional<bool> unsynced_accumulation;
  std::optional<models::Optimizer> optimizer;
  std::string_view offload;  ///< as typed
  std::string_view family;   ///< of the framework, as typed
  models::Stack stack = models::Stack::other;
  bool legacy = false;  ///< Megatron-DeepSpeed
  bool said = false;    ///< the row says something of how it is trained
  bool offload_optimizer = false;
  bool offload_activations = false;
};

/// Everything that the chain needs, each value with its basis: a run after blanks were filled from
/// catalogues and defaults. Absent values stay absent.
struct Scenario {
  std::string_view id;
  std::string_view name;
  std::string_view type;
  Basis type_basis = Basis::absent;
  std::string_view phase;

  std::string_view architecture_name;     ///< as typed
  std::string_view unknown_architecture;  ///< as typed, when there is none of that name
  const Origin* architecture_origin = nullptr;
  models::ArchitectureSpec spec;  ///< the dimensions that are known, each with its basis
  /// The whole architecture. `counted`: its dimensions give parameters and work; otherwise it is
  /// the usual shape of so many parameters and gives memory only.
  models::Architecture architecture;
  const models::MemoryBasis* memory = nullptr;  ///< of it, where it was counted before
  bool has_architecture = false;
  bool counted = false;
  std::bitset<models::kFields> missing;  ///< dimensions without which nothing is counted
  std::bitset<models::kFields> assumed;  ///< dimensions that were filled with usual values
  models::TrainingMode mode;
  Basis recompute_basis = Basis::absent;
  Known<double> trainable_params;
  Known<double> teacher_params;
  Known<double> work_seq_len;  ///< tokens of a sequence, as far as attention work depends on it
  /// What training_flops, tflops_per_device and mfu count.
  models::FlopConvention convention = models::FlopConvention::six_nd;

  Known<double> total_params;
  Known<double> active_params;
  Known<double> tokens;
  Known<Devices> devices;
  Known<Time> days;
  Known<DeviceTime> booked;  ///< planned accelerator hours
  Known<double> seq_len;
  Known<double> global_batch;
  /// Sequences of a step that plans share out: as stated, the usual where nothing is said of it.
  Known<double> batch;
  StatedPlan plan;

  std::string_view device_name;  ///< as typed
  const hardware::Device* device = nullptr;
  hardware::Dtype dtype = hardware::Dtype::bf16;
  std::string_view dtype_name;  ///< as typed, or the default
  Basis dtype_basis = Basis::absent;
  Known<DeviceRate> peak;
  Known<Bytes> device_memory;
  Known<double> mfu;
  bool mfu_from_achieved = false;
  Known<DeviceRate> achieved;
  Known<double> goodput;

  Known<DevicePower> tdp;
  Known<DevicePower> system_power;  ///< given draw with host
  Known<DevicePower> device_power;  ///< measured draw of the accelerator alone, where it is taken

  std::string_view region_name;  ///< as typed
  const hardware::GridRegion* region = nullptr;
  Known<CarbonIntensity> intensity;
  Known<double> pue;
  std::optional<models::Spread> intensity_range;  ///< as the row gives it
  std::optional<models::Spread> pue_range;
  std::optional<hardware::TimePoint> start;
  Known<double> offset_share;

  Embodied embodied = Embodied::best;
  Known<double> devices_per_node;
  Known<Time> lifetime;
  Known<double> utilization;

  EstimateOptions options;
};

}  // namespace pretrain::planner
