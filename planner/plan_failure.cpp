#include "planner/plan_failure.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

namespace pretrain::planner {

namespace {

PlanFailure uneven(const PlanMisfits& found) {
  const auto& n = found.counts;
  const auto& choices = *found.machine.choices;
  const double layers = found.machine.s.architecture.layers;
  PlanFailure result;
  if (std::all_of(choices.pp.begin(), choices.pp.end(), [&](double pp) { return pp > layers; })) {
    result.what = fmt::format("{:g} stages are more than the {:g} layers of the model",
                              *std::min_element(choices.pp.begin(), choices.pp.end()), layers);
    result.help = "give --pp with no more stages than layers";
    return result;
  }
  if (std::none_of(choices.tp.begin(), choices.tp.end(),
                   [&](double tp) { return choices.heads_divide(tp); })) {
    result.what = fmt::format("no tensor parallel degree of the space divides the {:g} heads",
                              found.machine.s.architecture.heads);
    result.help = "give --tp with divisors of the heads";
    return result;
  }
  result.what = fmt::format("no plan of the space divides {} devices and a batch of {:g} sequences",
                            found.several ? "any number of" : fmt::format("{:g}", found.devices),
                            found.batch);
  if (const double count = choices.nearest_count(found.devices, found.batch); count > 0) {
    result.help = fmt::format("{:g} devices can be divided; or ", count);
  }
  result.help +=
      n.devices_uneven >= n.batch_uneven && n.devices_uneven >= n.model_uneven
          ? "allow other degrees: tp x pp x cp must divide the devices, replicas x micro-batch "
            "the batch"
      : n.batch_uneven >= n.model_uneven
          ? "give another --global-batch or --micro-batch: replicas x micro-batch must divide it"
          : "allow other degrees: tp divides the heads, ep the experts";
  return result;
}

}  // namespace

PlanFailure explain_nothing(const PlanMisfits& found) {
  const auto& n = found.counts;
  if (n.judged == 0) {
    return uneven(found);
  }
  PlanFailure result;
  struct Named {
    std::string_view what;
    std::string_view option;
  };
  constexpr std::array<Named, 4> kLimits{{{"the deadline", "--deadline"},
                                          {"the limit of energy", "--max-energy-mwh"},
                                          {"the limit of carbon", "--max-tco2e"},
                                          {"the budget", "--budget"}}};
  const auto worst = std::max_element(found.least_over.begin(), found.least_over.end());
  if (*worst > 1 && *worst < HUGE_VAL) {
    const auto& limit = kLimits[static_cast<std::size_t>(worst - found.least_over.begin())];
    result.what = fmt::format("{} binds: the best plan of the space is at {:.3g} times it",
                              limit.what, *worst);
    result.help = fmt::format("raise {}, or allow other devices, counts or regions", limit.option);
  } else if (n.too_large > 0) {
    result.what = fmt::format(
        "memory binds: the smallest plan that was judged needs {:.3g} times what is usable",
        1 + found.least_overflow);
    result.help = "allow more devices, recomputation, sharding, or a device with more memory";
  } else {
    result.what = "the limits bind together: each can be kept, but not all by one plan";
    result.help = "raise one of them";
  }
  return result;
}

}  // namespace pretrain::planner
