#include "planner/warnings.hpp"

#include <fmt/format.h>

#include "models/core/text.hpp"
#include "planner/catalogue.hpp"

namespace pretrain::planner {

namespace {

std::string did_you_mean(const std::vector<std::string_view>& names, std::string_view wanted) {
  return fmt::format("did you mean {}?", quoted_list(nearest(names, wanted, 3), "or"));
}

}  // namespace

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
      return fmt::format(
          "the stated duration needs an MFU of {:.3g}; the regression expects {:.3g}", w.a, w.b);
    case Oddity::moe_without_active:
      return "a mixture of experts without active_params_b: its work is unknown";
    case Oddity::no_region:
      return "no region and no intensity_kg_per_kwh: carbon is not computed";
    case Oddity::unknown_region:
      return fmt::format(
          "unknown region '{}' and no intensity_kg_per_kwh: carbon is not computed; {} "
          "`planner list regions` shows all",
          name, did_you_mean(catalogue.grid(Grid::current).names(), w.name));
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
      return fmt::format("no power limit of '{}' is known: give device_tdp_w or system_power_w",
                         name);
    case Oddity::phase_as_pretrain:
      return fmt::format("phase '{}': 6 N D counts the training of all weights", name);
    case Oddity::approximate_params:
      return fmt::format(
          "{:.4g} parameters by LLMCarbon's approximation from layers and hidden: "
          "give params_b for better",
          w.a);
    case Oddity::params_differ:
      return fmt::format("params_b {:g} differs from the {:g} of architecture '{}'", w.a, w.b,
                         name);
    case Oddity::no_efficiency:
      return fmt::format("no {} peak of '{}' is known: give peak_tflops", name, w.other);
    case Oddity::unknown_architecture:
      return fmt::format("unknown architecture '{}': {} `planner list architectures` shows all",
                         name, did_you_mean(catalogue.architectures().names(), w.name));
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
    case Oddity::phase_as_pretrain:
      return true;
    default:
      return false;
  }
}

}  // namespace pretrain::planner
