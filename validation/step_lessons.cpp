#include "validation/step_lessons.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

namespace pretrain::validation {

namespace {

/// Noise of a measured step: the same plan measured again, in another release or by another source,
/// differs by 6% (dense) and 15% (experts); what a row leaves unsaid adds to that.
constexpr double kNoise = 0.08;
constexpr double kNoiseExperts = 0.15;
constexpr double kMostOfSource = 30;

std::string configuration(const Case& c) {
  std::string key = fmt::format("{}|{}|{}", c.group, c.dtype, c.source);
  using F = Feature;
  for (const auto f :
       {F::seq_len, F::micro_batch, F::devices, F::tp, F::pp, F::ep, F::cp, F::batch_tokens}) {
    const auto& value = c.features[static_cast<std::size_t>(f)];
    key += value ? fmt::format("|{:.3f}", *value) : "|-";
  }
  return key;
}

double year_of(const Case& c) {
  constexpr double kUnknown = -100;  // older than any that says it
  return c.features[static_cast<std::size_t>(Feature::software_year)].value_or(kUnknown);
}

}  // namespace

models::RunClass class_of(const Case& c) {
  return c.step ? c.step->run_class : models::RunClass::other;
}

std::vector<bool> superseded(const std::vector<const Case*>& cases) {
  std::map<std::string, double> newest;
  for (const auto* c : cases) {
    auto& year = newest.try_emplace(configuration(*c), year_of(*c)).first->second;
    year = std::max(year, year_of(*c));
  }
  std::vector<bool> old;
  for (const auto* c : cases) old.push_back(year_of(*c) < newest[configuration(*c)]);
  return old;
}

StepLessons step_lessons(const std::vector<const Case*>& cases) {
  std::vector<const Case*> measured;
  for (const auto* c : cases) {
    if (c->throughput && c->step && c->weight > 0 && !c->production) measured.push_back(c);
  }
  const auto old = superseded(measured);
  StepLessons result;
  for (std::size_t i = 0; i < measured.size(); ++i) {
    if (!old[i]) result.cases.push_back(measured[i]);
  }
  std::map<std::string_view, double> group_size;
  for (const auto* c : result.cases) ++group_size[c->group];
  std::map<std::string_view, std::size_t> sources;
  std::vector<double> of_source;
  for (const auto* c : result.cases) {
    StepLesson l;
    l.question = *c->step;
    l.seconds = c->step->batch_tokens / (c->throughput->reported * c->step->devices);
    l.weight = c->weight / std::sqrt(group_size[c->group]);
    l.noise = c->type == "moe" ? kNoiseExperts : kNoise;
    l.source = sources.try_emplace(c->source, sources.size()).first->second;
    if (l.source == of_source.size()) of_source.push_back(0);
    of_source[l.source] += l.weight;
    result.lessons.push_back(std::move(l));
  }
  for (auto& l : result.lessons) {
    l.weight *= std::min(1.0, kMostOfSource / of_source[l.source]);
  }
  return result;
}

}  // namespace pretrain::validation
