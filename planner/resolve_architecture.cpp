#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "models/core/text.hpp"
#include "models/parameters.hpp"
#include "planner/resolve.hpp"

namespace pretrain::planner {

namespace {

using models::Completion;
using models::Field;
using models::FlopConvention;

constexpr double kBillion = 1e9;
/// Stated counts that differ by more than this contradict the dimensions.
constexpr double kParamsTolerance = 0.03;
/// Usual values were taken for some dimensions: stated counts this near show that they fit.
constexpr double kConfirmed = 0.03;
/// Published counts are rounded, active ones with and without embeddings.
constexpr double kConfirmedPublished = 0.10;

const Origin kExact{"params.exact", "", "", true};
const Origin kApproximateDense{"params.llmcarbon.dense", "", "", true};
const Origin kApproximateMoe{"params.llmcarbon.moe", "", "", true};
const Origin kLayersOfCount{"as many as make params_b", "", "", true};
const Origin kAllActive{"not a mixture of experts: all parameters are active", "", "", true};

bool differs(double a, double b, double tolerance) { return std::abs(a / b - 1.0) > tolerance; }

/// Counts as they are stated, by the row or by a publication.
struct Stated {
  Known<double> total;
  Known<double> active;
};

/// Whether the row states a dimension that is not the named model's.
bool changes(const models::ArchitectureSpec& row, const NamedArchitecture& named) {
  for (std::size_t i = 0; i < models::kFields; ++i) {
    const auto field = static_cast<Field>(i);
    if (field == Field::mtp_layers || field == Field::context) continue;  // no part of the count
    const auto& own = row.cells[i];
    const auto& theirs = named.spec->cells[i];
    if (own && (!theirs || *own != *theirs)) return true;
  }
  return false;
}

Stated stated_counts(const RunRow& row, const NamedArchitecture* named, bool changed) {
  Stated stated;
  if (const auto total_b = row.number(Col::params_b)) stated.total = given(*total_b * kBillion);
  if (const auto active_b = row.number(Col::active_params_b)) {
    stated.active = given(*active_b * kBillion);
  }
  if (named == nullptr || changed) return stated;
  // The published active count belongs to the published total.
  const bool same_model =
      !stated.total || !named->params || !differs(*stated.total, *named->params, kParamsTolerance);
  if (!stated.total && named->params) {
    stated.total = known(*named->params, Basis::catalogue, named->origin);
  }
  if (!stated.active && named->active_params && same_model) {
    stated.active = known(*named->active_params, Basis::catalogue, named->origin);
  }
  return stated;
}

/// LLMCarbon's way: from layers and hidden alone.
void llmcarbon_counts(Scenario& s, Stated& stated) {
  const auto& layers = s.spec[Field::layers];
  const auto& hidden = s.spec[Field::hidden];
  if (stated.total || stated.active || !layers || !hidden) return;
  const auto& experts = s.spec[Field::experts];
  if (s.type != "moe") {
    const auto& vocab = s.spec[Field::vocab];
    stated.total = known(models::llmcarbon_dense_params(*layers, *hidden, vocab ? *vocab : 0),
                         Basis::model, &kApproximateDense);
  } else if (experts) {
    const auto& period = s.spec[Field::moe_layer_period];
    const double share = period ? 1.0 / *period : 1.0;
    stated.total = known(models::llmcarbon_moe_params(*layers, *hidden, *experts, share),
                         Basis::model, &kApproximateMoe);
    if (const auto& chosen = s.spec[Field::experts_per_token]; chosen) {
      stated.active = known(models::llmcarbon_moe_params(*layers, *hidden, *chosen, share),
                            Basis::model, &kApproximateMoe);
    }
  }
}

/// Whether the dimensions, some of them usual values, are those of the stated counts.
bool confirmed(const models::Parameters& count, const Stated& stated) {
  const auto agrees = [](double counted, const Known<double>& said) {
    if (!said) return true;
    const double tolerance = said.basis == Basis::given ? kConfirmed : kConfirmedPublished;
    return !differs(counted, *said, tolerance);
  };
  return agrees(count.total(), stated.total) && agrees(count.active(), stated.active);
}

/// Layers that make the stated count of the dimensions that are known; absent where more than the
/// layers is missing, or no whole number comes near.
std::optional<double> layers_of(models::ArchitectureSpec spec, double total) {
  const auto count = [&](double layers) -> std::optional<double> {
    spec[Field::layers] = known(layers, Basis::model, &kLayersOfCount);
    const auto completion = models::complete(spec, {total});
    if (!completion.usable()) return std::nullopt;
    return models::parameters(completion.architecture).total();
  };
  constexpr double kFew = 2;
  constexpr double kMore = 4;
  const auto few = count(kFew);
  const auto more = count(kMore);
  if (!few || !more || *more <= *few) return std::nullopt;
  const double layers = std::round(kFew + (total - *few) * (kMore - kFew) / (*more - *few));
  if (layers < 1) return std::nullopt;
  const auto made = count(layers);
  return made && !differs(*made, total, kParamsTolerance) ? std::optional{layers} : std::nullopt;
}

bool count_dimensions(Scenario& s, Stated& stated, Warnings& warnings, RowFailure& failure) {
  if (stated.total && s.spec[Field::hidden] && !s.spec[Field::layers]) {
    if (const auto layers = layers_of(s.spec, *stated.total)) {
      s.spec[Field::layers] = known(*layers, Basis::model, &kLayersOfCount);
    }
  }
  const bool counts = s.spec[Field::layers] && s.spec[Field::hidden];
  // Contradictions are told even where the count is stated.
  if (!counts && !s.spec[Field::experts_per_token]) return true;
  // Where no count is known, a rough one is better than none.
  const bool roughly = !s.spec.plain && !stated.total && !stated.active;
  if (roughly) s.spec.plain = true;
  auto completion =
      models::complete(s.spec, {stated.total ? std::optional{*stated.total} : std::nullopt});
  switch (completion.state) {
    case Completion::State::wrong: {
      failure = {std::move(completion.what), std::move(completion.help),
                 column_of_field(completion.field)};
      return false;
    }
    case Completion::State::beyond:
      // Either its kind or its blocks are not described.
      warnings.add({Oddity::not_counted,
                    0,
                    0,
                    s.spec.plain && !s.spec.hybrid && s.type != "dense" && s.type != "moe"
                        ? s.type
                        : s.architecture_name,
                    {}});
      return true;
    case Completion::State::missing:
      s.missing = completion.missing;
      return true;
    case Completion::State::whole:
    case Completion::State::assumed:
      break;
  }
  const auto count = models::parameters(completion.architecture);
  const bool whole = completion.state == Completion::State::whole;
  const bool firm = whole && completion.guessed.none();
  const bool said = stated.total || stated.active;
  if (!firm && said && !confirmed(count, stated)) {
    // The stated count knows better than usual values do.
    const bool total = stated.total && differs(count.total(), *stated.total, kParamsTolerance);
    if (total) {
      warnings.add({Oddity::dimensions_differ, *stated.total, count.total(), {}, {}});
    } else {
      warnings.add({Oddity::dimensions_differ, *stated.active, count.active(), "active ", {}});
    }
    return true;
  }
  if (stated.total.basis == Basis::given &&
      differs(*stated.total, count.total(), kParamsTolerance)) {
    warnings.add({Oddity::params_differ, *stated.total, count.total(), s.architecture_name, {}});
  }
  if (stated.active.basis == Basis::given &&
      differs(*stated.active, count.active(), kParamsTolerance)) {
    warnings.add({Oddity::active_differ, *stated.active, count.active(), s.architecture_name, {}});
  }
  if (roughly) {
    warnings.add({Oddity::rough_count, count.total(), 0, s.architecture_name, {}});
  } else if (!whole && !stated.total) {
    warnings.add({Oddity::approximate_params, count.total(), 0, {}, {}});
  }
  s.architecture = completion.architecture;
  s.assumed = completion.assumed;
  s.has_architecture = true;
  s.counted = true;
  stated.total = known(count.total(), Basis::model, &kExact);
  stated.active = known(count.active(), Basis::model, &kExact);
  return true;
}

/// The kind of training and what of it is frozen.
void resolve_phase(const RunRow& row, Scenario& s, Warnings& warnings) {
  s.phase = row.text(Col::phase);
  if (const auto trainable = row.number(Col::trainable_params_b)) {
    s.trainable_params = given(*trainable * kBillion);
  }
  if (const auto teacher = row.number(Col::teacher_params_b)) {
    s.teacher_params = given(*teacher * kBillion);
  }
  if (s.options.method == Method::llmcarbon) {
    if (s.phase == "lora" || s.phase == "distill") {
      warnings.add({Oddity::phase_as_pretrain, 0, 0, s.phase, {}});
    }
    return;
  }
  auto& mode = s.mode;
  const bool distills = s.phase == "distill" || s.teacher_params;
  if (s.phase == "lora" || (!distills && s.trainable_params)) {
    mode.phase = models::Phase::frozen;
    // Of routed experts a token trains those that it meets.
    const double met = s.total_params && s.active_params ? *s.active_params / *s.total_params : 1;
    mode.trainable_params = s.trainable_params ? *s.trainable_params * met : 0;
  } else if (distills) {
    mode.phase = models::Phase::distill;
    mode.teacher_params = s.teacher_params ? *s.teacher_params : 0;
    if (!s.teacher_params) warnings.add({Oddity::no_teacher, 0, 0, {}, {}});
  }
}

/// The length of a sequence: stated, else what the model is made for up to the usual one.
void resolve_sequence(const RunRow& row, const Catalogue& catalogue, Scenario& s) {
  if (const auto seq = row.number(Col::seq_len)) {
    s.seq_len = given(*seq);
    s.work_seq_len = s.seq_len;
    return;
  }
  if (s.architecture.type == models::ModelType::vision) {
    const auto& d = s.architecture.details;
    if (d.position_count > 0) s.work_seq_len = known(d.position_count, Basis::model, &kExact);
    return;
  }
  const auto& usual = catalogue.defaults().seq_len;
  const auto& context = s.spec[Field::context];
  if (context && *context < usual.value) {
    s.work_seq_len = context;
  } else {
    s.work_seq_len = known(usual.value, Basis::fallback, &usual.origin);
  }
}

FlopConvention convention_of(const RunRow& row, const Scenario& s) {
  if (s.options.method != Method::full || !s.counted || !s.work_seq_len) {
    return FlopConvention::six_nd;
  }
  const auto word = row.text(Col::reported_flop_convention);
  for (const auto convention :
       {FlopConvention::six_nd, FlopConvention::model_full, FlopConvention::hardware}) {
    if (word == name_of(convention)) return convention;
  }
  return FlopConvention::model_causal;
}

}  // namespace

namespace {

/// The architecture that a row names and changes in nothing.
void take_counted(const NamedArchitecture& named, Scenario& s) {
  const auto& counted = *named.counted;
  s.spec = *named.spec;
  s.type = s.spec.type;
  s.type_basis = s.spec.type_basis;
  s.architecture = counted.architecture;
  s.memory = &counted.memory;
  s.has_architecture = true;
  s.counted = true;
  s.total_params = known(counted.params, Basis::model, &kExact);
  s.active_params = known(counted.active_params, Basis::model, &kExact);
}

/// The architecture from dimensions, of the row and of the named model; else its stated counts.
bool combine(const RunRow& row, const Catalogue& catalogue, const NamedArchitecture* named,
             Scenario& s, Warnings& warnings, RowFailure& failure) {
  s.spec = stated_architecture(row, row.has(Col::family) ? &catalogue.families() : nullptr);
  if (const auto family = row.text(Col::family); !family.empty() && s.spec.family == nullptr) {
    failure = {fmt::format("unknown family '{}'", shortened(family)), "", Col::family,
               RowFailure::Nearest::families, family};
    return false;
  }
  const bool changed = named != nullptr && changes(s.spec, *named);
  if (named != nullptr) s.spec.fill_from(*named->spec);
  s.type = s.spec.type;
  s.type_basis = s.spec.type_basis;
  if (s.type.empty()) {
    const auto& experts = s.spec[Field::experts];
    const bool moe = (experts && *experts > 1) || (!experts && row.has(Col::active_params_b));
    s.type = moe ? "moe" : "dense";
    s.type_basis = Basis::fallback;
    s.spec.type = s.type;
    s.spec.type_basis = Basis::fallback;
  }
  const bool moe = s.type == "moe";

  Stated stated = stated_counts(row, named, changed);
  if (s.options.method == Method::llmcarbon) {
    llmcarbon_counts(s, stated);
  } else if (!count_dimensions(s, stated, warnings, failure)) {
    return false;
  }
  s.total_params = stated.total;
  s.active_params = stated.active;
  if (!s.active_params && s.total_params && !moe) {
    // The same number: as given as the total.
    const bool given_total = s.total_params.basis == Basis::given;
    s.active_params = known(*s.total_params, given_total ? Basis::given : Basis::model,
                            given_total ? nullptr : &kAllActive);
  }
  if (moe && s.total_params && !s.active_params) {
    warnings.add({Oddity::moe_without_active, 0, 0, {}, {}});
  }
  if (s.total_params && s.active_params && *s.active_params > *s.total_params) {
    failure = {fmt::format("{:.4g} active parameters of {:.4g} in total", *s.active_params,
                           *s.total_params),
               "active_params_b is the part of params_b that one token meets",
               Col::active_params_b};
    return false;
  }
  return true;
}

}  // namespace

bool resolve_architecture(const RunRow& row, const Catalogue& catalogue, Scenario& s,
                          Warnings& warnings, RowFailure& failure) {
  s.architecture_name = row.text(Col::architecture);
  const NamedArchitecture* named = nullptr;
  if (!s.architecture_name.empty()) {
    named = &catalogue.architecture_library().find(s.architecture_name);
    if (named->problem) {
      const auto& where = named->problem->where;
      failure = {where.line == 0 ? fmt::format("{}: {}", where.file, named->problem->what)
                                 : fmt::format("{}:{}:{}: {}", where.file, where.line, where.column,
                                               named->problem->what),
                 named->problem->help, Col::architecture};
      return false;
    }
    if (named->spec == nullptr) {
      s.unknown_architecture = s.architecture_name;
      warnings.add({Oddity::unknown_architecture, 0, 0, s.architecture_name, {}});
      named = nullptr;
    } else {
      s.architecture_origin = named->origin;
      for (const auto& text : named->warnings) {
        warnings.add({Oddity::architecture_note, 0, 0, text, {}});
      }
    }
  }
  if (named != nullptr && named->counted && !states_dimensions(row) &&
      s.options.method != Method::llmcarbon) {
    take_counted(*named, s);
  } else if (!combine(row, catalogue, named, s, warnings, failure)) {
    return false;
  }
  resolve_phase(row, s, warnings);
  if (s.trainable_params && s.total_params && *s.trainable_params > *s.total_params) {
    failure = {fmt::format("{:.4g} trainable parameters of {:.4g} in total", *s.trainable_params,
                           *s.total_params),
               "trainable_params_b is the part that is trained while the rest is frozen",
               Col::trainable_params_b};
    return false;
  }
  resolve_sequence(row, catalogue, s);
  s.convention = convention_of(row, s);
  const auto recompute = row.text(Col::recompute);
  if (recompute == "full" || (recompute.empty() && s.convention == FlopConvention::hardware)) {
    s.mode.recompute = models::Recompute::full;
  } else if (recompute == "selective") {
    s.mode.recompute = models::Recompute::selective;
  }
  s.recompute_basis = recompute.empty() ? Basis::absent : Basis::given;
  return true;
}

}  // namespace pretrain::planner
