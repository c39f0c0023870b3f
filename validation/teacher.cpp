#include "validation/teacher.hpp"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <set>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "validation/baselines.hpp"

namespace pretrain::validation {

namespace {

/// A source with more than this share of the rows is a sweep: it would teach the others its own
/// conditions.
constexpr double kSweepShare = 0.25;

/// The same measurement, whatever it is called: device, size of the model, sequence, throughput.
std::string twin_key(const Case& c) {
  if (!c.throughput) return c.id;
  const auto feature = [&](Feature f) {
    return c.features[static_cast<std::size_t>(f)].value_or(0);
  };
  return fmt::format("{} {:.2f} {:.2f} {:.4g}", c.device, feature(Feature::params),
                     feature(Feature::seq_len), c.throughput->reported);
}

class Teacher {
 public:
  Teacher(const std::vector<Case>& scored, const std::vector<Case>& pool, SplitMode mode)
      : scored_{scored}, mode_{mode} {
    for (const auto* c : lessons_of(scored, pool)) {
      if (c->weight > 0) lessons_.push_back(c);
    }
    find_sweeps();
  }

  std::vector<Learned> learned() {
    std::vector<Learned> result(scored_.size());
    // Rows of a sweep are told from everything, the others from everything but sweeps.
    learn(false, result);
    if (!sweeps_.empty()) learn(true, result);
    return result;
  }

 private:
  void find_sweeps() {
    std::unordered_map<std::string_view, std::size_t> rows;
    for (const auto* c : lessons_) {
      if (!c->source.empty()) ++rows[c->source];
    }
    for (const auto& [source, count] : rows) {
      if (static_cast<double>(count) > kSweepShare * static_cast<double>(lessons_.size()) &&
          rows.size() > 1) {
        sweeps_.insert(source);
      }
    }
  }

  std::size_t source_of(const Case& c) {
    const auto [found, added] = sources_.try_emplace(c.source, sources_.size());
    return found->second;
  }

  static Sample sample_of(const Case& c) {
    Sample sample;
    sample.group = c.group;
    sample.generation = c.generation;
    // Frozen weights are another kind of work.
    sample.type = c.phase == "lora" ? std::string_view{c.phase} : std::string_view{c.type};
    sample.dtype = c.dtype;
    sample.features = c.features;
    return sample;
  }

  void learn(bool with_sweeps, std::vector<Learned>& result) {
    std::vector<const Case*> taught;
    std::unordered_map<std::string_view, std::size_t> group_size;
    for (const auto* c : lessons_) {
      if (!with_sweeps && sweeps_.contains(c->source)) continue;
      taught.push_back(c);
      ++group_size[c->group];
    }
    if (taught.empty()) return;
    std::vector<Sample> samples;
    std::vector<std::size_t> folds;
    std::vector<std::size_t> sources;
    for (const auto* c : taught) {
      Sample sample = sample_of(*c);
      sample.log_mfu = std::log(c->throughput->reported / c->tokens_at_peak);
      sample.weight = c->weight / std::sqrt(static_cast<double>(group_size[c->group]));
      samples.push_back(sample);
      folds.push_back(c->fold);
      sources.push_back(source_of(*c));
    }
    // What is held out -> scored rows that are told without it.
    std::map<std::pair<bool, std::size_t>, std::vector<std::size_t>> wanted;
    for (std::size_t i = 0; i < scored_.size(); ++i) {
      const auto& c = scored_[i];
      if (c.tokens_at_peak <= 0 || sweeps_.contains(c.source) != with_sweeps) continue;
      const bool whole_source = held_out_by_source(c, mode_);
      const std::size_t part = mode_ == SplitMode::none ? 0 : whole_source ? source_of(c) : c.fold;
      wanted[{whole_source, part}].push_back(i);
    }
    const RidgeSums sums{samples};
    for (const auto& [out, rows] : wanted) {
      const auto& [whole_source, part] = out;
      const HeldOut held_out = mode_ == SplitMode::none
                                   ? HeldOut{}
                                   : HeldOut{.parts = whole_source ? sources : folds, .part = part};
      const auto median = GenerationMedian::fit(samples, held_out);
      const auto neighbors = NearestNeighbors::fit(samples, held_out);
      const auto ridge = sums.fit(held_out);
      for (const auto i : rows) {
        const Sample sample = sample_of(scored_[i]);
        const auto utilization = [](std::optional<double> log_mfu) {
          return log_mfu ? std::optional{std::exp(*log_mfu)} : std::nullopt;
        };
        result[i] = {utilization(median.predict(sample)), utilization(neighbors.predict(sample)),
                     utilization(ridge.predict(sample))};
      }
    }
  }

  const std::vector<Case>& scored_;
  SplitMode mode_;
  std::vector<const Case*> lessons_;
  std::set<std::string_view> sweeps_;
  std::unordered_map<std::string_view, std::size_t> sources_;
};

}  // namespace

std::vector<const Case*> lessons_of(const std::vector<Case>& scored,
                                    const std::vector<Case>& pool) {
  std::vector<const Case*> lessons;
  std::unordered_set<std::string_view> own;
  std::unordered_set<std::string> twins;
  for (const auto& c : scored) {
    own.insert(c.id);
    twins.insert(twin_key(c));
    lessons.push_back(&c);
  }
  for (const auto& c : pool) {
    if (!own.contains(c.id) && !twins.contains(twin_key(c))) lessons.push_back(&c);
  }
  return lessons;
}

bool held_out_by_source(const Case& c, SplitMode mode) {
  return mode == SplitMode::leave_source_out && !c.source.empty();
}

std::vector<Learned> learn_baselines(const std::vector<Case>& scored, const std::vector<Case>& pool,
                                     SplitMode mode) {
  return Teacher{scored, pool, mode}.learned();
}

}  // namespace pretrain::validation
