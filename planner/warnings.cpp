#include "planner/warnings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "models/core/text.hpp"
#include "planner/catalogue.hpp"

namespace pretrain::planner {

namespace {

std::string did_you_mean(const std::vector<std::string_view>& names, std::string_view wanted) {
  return fmt::format("did you mean {}?", quoted_list(nearest(names, wanted, 3), "or"));
}

/// "; it has fp32, fp16: give one of these as dtype", of a known device.
std::string formats_of(const Catalogue& catalogue, std::string_view device) {
  const auto match = catalogue.devices().find(device);
  if (match.device == nullptr) return {};
  std::string text;
  for (std::size_t i = 0; i < hardware::kDtypes; ++i) {
    const auto dtype = static_cast<hardware::Dtype>(i);
    if (!match.device->peak_of(dtype)) continue;
    text += fmt::format("{}{}", text.empty() ? "" : ", ", hardware::name_of(dtype));
  }
  return text.empty() ? text : fmt::format("; it has {}: give one of these as dtype", text);
}

/// The nearest batch that so many sequences divide.
double whole_batch(double part, double batch) {
  return part * std::max(1.0, std::round(batch / part));
}

}  // namespace

std::string region_hint(const hardware::GridTable& grid, std::string_view wanted) {
  std::vector<std::string_view> names = grid.names();
  for (const auto& region : grid.all()) names.push_back(region.location);
  constexpr std::size_t kLooked = 6;
  constexpr std::size_t kShown = 3;
  std::vector<std::string> hints;
  for (const auto& name : nearest(names, wanted, kLooked)) {
    std::string hint = name;
    for (const auto& region : grid.all()) {
      if (region.location == name) hint = std::string{region.region};
    }
    if (hints.size() < kShown && std::find(hints.begin(), hints.end(), hint) == hints.end()) {
      hints.push_back(hint);
    }
  }
  return fmt::format("did you mean {}?", quoted_list(hints, "or"));
}

std::string to_text(const Warning& w, const Catalogue& catalogue) {
  const std::string name = shortened(w.name);
  switch (w.oddity) {
    case Oddity::ambiguous_device:
      return fmt::format("'{}' names several variants: {} taken, the stated default", name,
                         w.other);
    case Oddity::unknown_device_unused:
      return fmt::format("unknown device '{}': only the stated numbers are used; {}", name,
                         did_you_mean(catalogue.devices().names(), w.name));
    case Oddity::ambiguous_dtype:
      return fmt::format("the device has no {} peak: {} taken", name, w.other);
    case Oddity::sparse_peak:
      return fmt::format(
          "peak_tflops {:g} looks like the sparse peak of {}: its dense {} peak is "
          "{:g}",
          w.a, name, w.other, w.b);
    case Oddity::other_peak:
      return fmt::format(
          "peak_tflops {:g} is not the dense {} peak of {}, {:g}: is it of another "
          "format?",
          w.a, w.other, name, w.b);
    case Oddity::tdp_differs:
      return fmt::format("device_tdp_w {:g} is far from the {:g} W of {}", w.a, w.b, name);
    case Oddity::mfu_conflict:
      return fmt::format("mfu {:.4g} wins over achieved / peak = {:.4g}", w.a, w.b);
    case Oddity::efficiency_range:
      return fmt::format(
          "{:.3g} parameters lie outside the 1e9 to 1.5e12 of LLMCarbon's "
          "regression: its nearer end is taken",
          w.a);
    case Oddity::zettaflops_differ:
      return fmt::format("total zettaFLOPs {:g} is stated, 6 N D gives {:.4g}", w.a, w.b);
    case Oddity::implied_mfu:
      return fmt::format("the stated duration needs an MFU of {:.3g}; {:.3g} is predicted", w.a,
                         w.b);
    case Oddity::implied_idle:
      return fmt::format("the stated duration means an MFU of only {:.2g}; {:.3g} is usual", w.a,
                         w.b);
    case Oddity::few_tokens:
      return fmt::format(
          "{:.3g} tokens for {:.3g} parameters: less than one each; is tokens_b in "
          "billions?",
          w.a, w.b);
    case Oddity::low_precision:
      return fmt::format(
          "LLMCarbon's regression is of fp16 runs: at the {} peak it promises too "
          "much; give mfu",
          name);
    case Oddity::type_beyond_6nd:
      return name == "encoder_decoder"
                 ? "6 N D counts an encoder-decoder about twice: a token meets one of the stacks"
                 : fmt::format("6 N D is meant for language models, not for type '{}'", name);
    case Oddity::dimensions_differ:
      return fmt::format(
          "{:.3g} {}parameters are stated, the dimensions with usual values for what they leave "
          "open make {:.3g}: 6 N D of the stated count is taken",
          w.a, w.name, w.b);
    case Oddity::not_counted:
      return fmt::format(
          "{}: not a plain transformer, so that its dimensions do not give its work: 6 N D of its "
          "parameters is taken",
          name.empty() ? "this model" : name);
    case Oddity::architecture_note:
      return std::string{w.name};
    case Oddity::teacher_memory:
      return "distillation: the memory is without that of the teacher";
    case Oddity::no_teacher:
      return "distillation: give teacher_params_b, or the teacher's forward pass is not counted";
    case Oddity::zero_intensity:
      return w.a > 0.0 ? fmt::format(
                             "intensity 0 is a market-based claim: the grid of '{}' has {:.3g} "
                             "kg/kWh, location-based",
                             name, w.a)
                       : "intensity 0 is a market-based claim: no grid is free of carbon";
    case Oddity::unit_slip:
      return fmt::format("reported carbon {:.3g} t, predicted {:.3g}: is it in kg or g?", w.a, w.b);
    case Oddity::no_duration:
      return "no hours: energy and carbon are not computed; give device_hours, or two of tokens_b, "
             "devices and days";
    case Oddity::moe_without_active:
      return "a mixture of experts without active_params_b: its work is unknown";
    case Oddity::no_region:
      return "no region and no intensity_kg_per_kwh: carbon is not computed";
    case Oddity::hourly_outside:
      return fmt::format(
          "carbon is not computed: {} does not hold the {:.3g} days of the run, or lacks a tenth "
          "of "
          "their hours; give start, or a longer file",
          w.name, w.a);
    case Oddity::profile_elsewhere:
      return fmt::format(
          "profile '{}' was learnt on other devices or another framework: what it says of them is "
          "taken for this run, too",
          name);
    case Oddity::unknown_region:
      return fmt::format(
          "unknown region '{}' and no intensity_kg_per_kwh: carbon is not computed; {} "
          "`planner list regions` shows all",
          name, region_hint(catalogue.grid(static_cast<Grid>(static_cast<int>(w.a))), w.name));
    case Oddity::mixed_grid_scope:
      return fmt::format(
          "the source of the intensity of '{}' does not state its scope (direct or "
          "lifecycle)",
          name);
    case Oddity::no_embodied:
      return fmt::format(
          "no sourced footprint of '{}' in this scope: embodied carbon is not "
          "computed",
          name);
    case Oddity::no_power:
      return name.empty() ? "no device: give one, or device_tdp_w or system_power_w"
                          : fmt::format(
                                "no power limit of '{}' is known: give device_tdp_w or "
                                "system_power_w",
                                name);
    case Oddity::phase_as_pretrain:
      return fmt::format("phase '{}': LLMCarbon's 6 N D counts the training of all weights", name);
    case Oddity::rough_count:
      return fmt::format(
          "{}: not a plain transformer, and no count of it is published: its dimensions make about "
          "{:.3g} parameters; give params_b",
          name, w.a);
    case Oddity::approximate_params:
      return fmt::format(
          "{:.4g} parameters, with usual values for dimensions that are not given: give params_b, "
          "or ffn_hidden, gated_ffn, vocab and tie_embeddings",
          w.a);
    case Oddity::active_differ:
      return fmt::format(
          "active_params_b says {:.4g} parameters, the dimensions{} make {:.4g}: the dimensions "
          "are taken",
          w.a, name.empty() ? "" : fmt::format(" of '{}'", name), w.b);
    case Oddity::params_differ:
      return fmt::format(
          "params_b says {:.4g} parameters, the dimensions{} make {:.4g}: the dimensions are taken",
          w.a, name.empty() ? "" : fmt::format(" of '{}'", name), w.b);
    case Oddity::no_efficiency:
      return fmt::format("no {} peak of '{}' is known{}; or give peak_tflops", name, w.other,
                         formats_of(catalogue, w.other));
    case Oddity::unknown_architecture:
      return fmt::format("unknown architecture '{}': {} `planner list architectures` shows all",
                         name, did_you_mean(catalogue.architectures().names(), w.name));
    case Oddity::plan_devices:
      return name.empty()
                 ? fmt::format(
                       "the plan divides {:g} devices of {:g}, the rest is idle: give tp, pp and "
                       "cp "
                       "whose product divides devices",
                       w.a, w.b)
                 : fmt::format(
                       "tp pp dp cp of the plan make {:g} devices, devices says {:g}: dp is taken "
                       "as it follows; leave dp blank, or give devices {:g}",
                       w.a, w.b, w.a);
    case Oddity::plan_ep_beside_dp:
      return fmt::format(
          "dp {:g} is read as without ep {:g}: only {:g} data parallel ranks make the devices", w.a,
          w.b, w.a * w.b);
    case Oddity::plan_ranks:
      return fmt::format("ep {:g} does not divide the {:g} devices of a pipeline stage", w.a, w.b);
    case Oddity::plan_kv_heads:
      return fmt::format("tp {:g} does not divide {:g} key and value heads", w.a, w.b);
    case Oddity::plan_experts:
      return fmt::format("ep {:g} does not divide {:g} experts", w.a, w.b);
    case Oddity::plan_batch:
      return w.a > w.b ? fmt::format(
                             "micro_batch_seqs x dp = {:g} is more than global_batch_seqs {:g}: "
                             "smaller micro-batches are taken; give micro_batch_seqs x dp of at "
                             "most {:g}",
                             w.a, w.b, w.b)
                       : fmt::format(
                             "micro_batch_seqs x dp = {:g} does not divide global_batch_seqs {:g}: "
                             "the last micro-batch is not whole; give a global_batch_seqs of {:g}, "
                             "or another micro_batch_seqs",
                             w.a, w.b, whole_batch(w.a, w.b));
    case Oddity::plan_micro_batches:
      return fmt::format(
          "micro_batches {:g} is not what global_batch_seqs / (dp x micro_batch_seqs) makes, {:g}: "
          "the batch is taken; leave micro_batches blank",
          w.a, w.b);
    case Oddity::plan_shared:
      return fmt::format(
          "{:g} replicas for {:g} sequences: each sequence is divided over cp devices; give cp, a "
          "larger tp or pp, or a larger global_batch_seqs",
          w.a, w.b);
    case Oddity::early:
      return fmt::format(
          "{:g} device{} the fewest that hold the run, and done after {:.3g} days: these are "
          "taken; "
          "give devices to have another answer",
          w.a, w.a == 1 ? " is" : "s are", w.b);
    case Oddity::regression:
      return fmt::format(
          "the time of a step on '{}' is not modeled for this run (its memory, the type '{}' or "
          "the "
          "dimensions are not known): efficiency is LLMCarbon's regression, without an interval; "
          "give mfu where you know it",
          name, w.other);
    case Oddity::unknown_offload:
      return fmt::format("offload '{}' is not known: optimizer, activations, or both", name);
    case Oddity::memory_tight:
      return fmt::format(
          "memory is tight: {:.3g} GiB of {:.3g} usable, before what the allocator loses in gaps",
          w.a, w.b);
    case Oddity::default_too_small:
      if (w.name.empty()) {
        return fmt::format(
            "of {:g} device{} each would need {:.3g} GiB with the usual shape of so many "
            "parameters: too few; give more devices, or the dimensions",
            w.a, w.a == 1 ? "" : "s", w.b);
      }
      return fmt::format(
          "{:g} device{} assumed, of which each would need {:.3g} GiB: too few; give devices", w.a,
          w.a == 1 ? " was" : "s were", w.b);
    case Oddity::count:
      break;
  }
  return {};
}

bool once_per_name(Oddity oddity) {
  switch (oddity) {
    case Oddity::ambiguous_device:
    case Oddity::unknown_device_unused:
    case Oddity::ambiguous_dtype:
    case Oddity::sparse_peak:
    case Oddity::no_region:
    case Oddity::unknown_region:
    case Oddity::mixed_grid_scope:
    case Oddity::no_embodied:
    case Oddity::no_power:
    case Oddity::no_efficiency:
    case Oddity::unknown_architecture:
    case Oddity::low_precision:
    case Oddity::type_beyond_6nd:
    case Oddity::no_duration:
    case Oddity::phase_as_pretrain:
    case Oddity::not_counted:
    case Oddity::architecture_note:
    case Oddity::no_teacher:
    case Oddity::unknown_offload:
    case Oddity::regression:
      return true;
    default:
      return false;
  }
}

}  // namespace pretrain::planner
