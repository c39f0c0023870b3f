#include "cli/candidates.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "cli/text_table.hpp"
#include "models/core/number.hpp"
#include "models/core/text.hpp"
#include "planner/run_writer.hpp"

namespace pretrain::cli {

namespace {

using planner::Col;
using planner::Key;

constexpr double kBillion = 1e9;
constexpr double kFlopPer = 6;  // FLOP of a parameter and token

std::string billions(double count) {
  std::string text;
  planner::append_number(text, count / kBillion);
  return text;
}

}  // namespace

void TypedCandidates::add_options(CLI::App& sub) {
  const auto add = [&](const char* name, Col col, const char* what) {
    values_.push_back({col, {}});
    options_.push_back({name, what});
  };
  add("--params", Col::params_b, "Parameters: 30e9,100e9 or 30B,100B");
  add("--active-params", Col::active_params_b, "Parameters that a token meets");
  add("--architecture", Col::architecture, "Shipped architectures, or files of them");
  add("--tokens", Col::tokens_b, "Training tokens: 600B,2T");
  add("--device", Col::device, "Accelerators: A100,H100");
  add("--devices", Col::devices, "Numbers of accelerators: 1024,2048");
  add("--days", Col::days, "Durations: 30d,60d");
  add("--mfu", Col::mfu, "Model FLOPs utilizations");
  add("--pue", Col::pue, "Power usage effectiveness");
  add("--region", Col::region, "Countries, cloud regions or eGRID subregions");
  add("--intensity", Col::intensity_kg_per_kwh, "Carbon intensities in kg/kWh");
  add("--dtype", Col::dtype, "Number formats: bf16,fp8");
  for (std::size_t i = 0; i < values_.size(); ++i) {
    sub.add_option(options_[i].name, values_[i].cells, options_[i].what)->delimiter(',');
  }
  auto* compute = sub.add_option("--compute", compute_,
                                 "Training work, 1e24 FLOP: sizes around the best for it, or the "
                                 "tokens that each of --params gets");
  auto* loss = sub.add_option("--loss", loss_,
                              "Loss to reach, nats per token: sizes around the cheapest, or the "
                              "tokens that each of --params needs")
                   ->check(CLI::Range(0.1, 10.0));
  std::vector<CLI::Option*> limits;
  const auto cap = [&](const char* name, auto& value, const char* what) {
    limits.push_back(sub.add_option(name, value, what)->excludes(compute)->excludes(loss));
    for (std::size_t i = 0; i + 1 < limits.size(); ++i) limits.back()->excludes(limits[i]);
    return limits.back();
  };
  cap("--max-tco2e", max_tco2e_, "The least loss for so much carbon, operational and embodied")
      ->check(CLI::PositiveNumber);
  cap("--max-energy-mwh", max_energy_, "The least loss for so much facility energy")
      ->check(CLI::PositiveNumber);
  cap("--max-days", max_days_, "The least loss in so much time: 30d");
  cap("--max-cost", max_cost_, "The least loss for so much money (with a price)")
      ->check(CLI::PositiveNumber);
  compute->excludes(loss);
  constexpr double kMostExperts = 4096;
  auto* mixtures =
      sub.add_option("--mixtures", mixtures_,
                     "Beside each dense size, mixtures with so many times its feed-forward layers, "
                     "one of them met by a token: 8,32")
          ->delimiter(',')
          ->check(CLI::Range(2.0, kMostExperts));
  sub.add_option("--equal", equal_,
                 "What such a mixture shares with the dense size: loss (and the size for a token: "
                 "fewer tokens), data (and the loss: a smaller size for a token) or active (that "
                 "size and the tokens: a lower loss)")
      ->check(CLI::IsMember({"loss", "data", "active"}))
      ->needs(mixtures)
      ->capture_default_str();
  sub.add_option("--law", law_,
                 "Scaling law of the loss: besiroglu-2024 (the default), hoffmann-2022, "
                 "ludziejewski-2025 (the default with experts)");
}

bool TypedCandidates::any() const {
  return !compute_.empty() || loss_ || limit() ||
         std::any_of(values_.begin(), values_.end(),
                     [](const auto& value) { return !value.cells.empty(); });
}

void TypedCandidates::refuse_conditions() const {
  if (mixtures_.empty()) return;
  throw InputError({"--mixtures", 0, 0}, "mixtures stand beside sizes that are typed",
                   "give --params and --tokens in place of the file, or a row for each mixture");
}

const models::ScalingLaw& TypedCandidates::law(const planner::Catalogue& catalogue,
                                               bool experts) const {
  const auto& laws = catalogue.scaling_laws();
  if (law_.empty()) return laws.usual(experts);
  if (const auto* found = laws.find(law_)) return *found;
  std::vector<std::string> names;
  for (const auto name : laws.names()) names.emplace_back(name);
  throw InputError({"--law", 0, 0}, fmt::format("no law '{}'", shortened(law_)),
                   fmt::format("there are {}", quoted_list(names, "and")));
}

std::optional<TypedCandidates::Limit> TypedCandidates::limit() const {
  if (max_tco2e_) return Limit{Key::total_tco2e, "--max-tco2e", "{} t CO2e", *max_tco2e_};
  if (max_energy_) {
    return Limit{Key::facility_energy_mwh, "--max-energy-mwh", "{} MWh", *max_energy_};
  }
  if (max_cost_) return Limit{Key::device_hours, "--max-cost", "a cost of {}", *max_cost_};
  if (max_days_.empty()) return std::nullopt;
  const auto days = parse_days(max_days_);
  if (!days.ok() || !(days.value > 0)) {
    throw InputError({"--max-days", 0, 0}, fmt::format("'{}' is no duration", shortened(max_days_)),
                     "write 30, 30d, 12h or 8w");
  }
  return Limit{Key::training_days, "--max-days", "{} days", days.value};
}

std::size_t TypedCandidates::place_of(Col col) const {
  return static_cast<std::size_t>(
      std::find_if(values_.begin(), values_.end(), [&](const auto& v) { return v.col == col; }) -
      values_.begin());
}

std::size_t TypedCandidates::count() const {
  std::size_t count = 1;
  for (const auto& value : values_) count = std::max(count, value.cells.size());
  for (std::size_t i = 0; i < values_.size(); ++i) {
    const auto size = values_[i].cells.size();
    if (size > 1 && size != count) {
      throw InputError({options_[i].name, 0, 0},
                       fmt::format("{} values, where another option has {}", size, count),
                       "give one value for all candidates, or one for each");
    }
  }
  return count;
}

std::string TypedCandidates::typed(std::size_t i, std::size_t row) const {
  const auto& cells = values_[i].cells;
  return cells.empty() ? std::string{} : cells.size() == 1 ? cells.front() : cells[row];
}

double TypedCandidates::number(std::size_t i, std::size_t row) const {
  const std::string text = typed(i, row);
  const auto parsed = parse_count(text);
  if (!parsed.ok()) throw InputError({options_[i].name, 0, 0}, parsed.what, parsed.help);
  if (!(parsed.value > 0)) {
    throw InputError({options_[i].name, 0, 0}, fmt::format("{} is none", text), "write 7e9 or 7B");
  }
  constexpr double kFewest = 1e3;
  if (parsed.value < kFewest) {
    throw InputError({options_[i].name, 0, 0}, fmt::format("{} is very few", text),
                     fmt::format("did you mean {}B, that is {}e9?", text, text));
  }
  return parsed.value;
}

/// On the command line a count is absolute (30e9); in a table it is in billions.
std::string TypedCandidates::cell(std::size_t i, std::size_t row) const {
  if (values_[i].cells.empty()) return {};
  if (planner::column_of(values_[i].col).kind != planner::Kind::count) return typed(i, row);
  return billions(number(i, row));
}

/// What tells a candidate from the others.
std::string TypedCandidates::name(std::size_t row) const {
  std::string text;
  for (std::size_t i = 0; i < values_.size(); ++i) {
    if (values_[i].cells.size() < 2) continue;
    if (!text.empty()) text += ' ';
    const auto& column = planner::column_of(values_[i].col);
    const auto parsed = column.kind == planner::Kind::count ? parse_count(typed(i, row))
                                                            : ParsedNumber{0, "text", ""};
    text += parsed.ok() ? count_for_people(parsed.value) : typed(i, row);
    if (values_[i].col == Col::devices) text += " devices";
    if (values_[i].col == Col::active_params_b) text += " active";
    if (values_[i].col == Col::days) text += " days";
  }
  if (!text.empty()) return text;
  const auto params = place_of(Col::params_b);
  return values_[params].cells.empty() ? "candidate" : count_for_people(number(params, row));
}

std::vector<TypedCandidates::Candidate> TypedCandidates::as_typed() const {
  std::vector<Candidate> candidates;
  const std::size_t n = count();
  for (std::size_t row = 0; row < n; ++row) {
    Candidate c{name(row), {}};
    for (std::size_t i = 0; i < values_.size(); ++i) c.cells.push_back(cell(i, row));
    const auto number_in = [&](Col col) -> std::optional<double> {
      const auto at = place_of(col);
      return c.cells[at].empty() ? std::nullopt : std::optional{number(at, row)};
    };
    c.params = number_in(Col::params_b);
    c.tokens = number_in(Col::tokens_b);
    // One that meets all of itself is dense.
    auto& met = c.cells[place_of(Col::active_params_b)];
    if (met == c.cells[place_of(Col::params_b)]) met.clear();
    candidates.push_back(std::move(c));
  }
  return candidates;
}

TypedCandidates::Candidate TypedCandidates::sized(const Candidate& like, double params,
                                                  double tokens) const {
  constexpr double kMost = 1e14;  // of anything that was ever counted in parameters or tokens
  if (params > kMost || tokens > kMost) {
    throw InputError({"compare", 0, 0},
                     fmt::format("that takes {} parameters on {} tokens: more than there are",
                                 count_for_people(params), count_for_people(tokens)),
                     "ask for less work, a higher loss or a lower limit");
  }
  Candidate c = like;
  c.cells[place_of(Col::params_b)] = billions(params);
  c.cells[place_of(Col::tokens_b)] = billions(tokens);
  c.name = fmt::format("{} on {}", count_for_people(params), count_for_people(tokens));
  c.params = params;
  c.tokens = tokens;
  return c;
}

/// Of a typed mixture: from total and met parameters.
double TypedCandidates::experts(std::size_t row) const {
  const auto met = place_of(Col::active_params_b);
  const auto all = place_of(Col::params_b);
  if (values_[met].cells.empty() || values_[all].cells.empty()) return 1;
  return planner::usual_experts(number(all, row), number(met, row));
}

std::vector<TypedCandidates::Candidate> TypedCandidates::with_mixtures(
    std::vector<Candidate> dense, const models::ScalingLaw& law) const {
  if (mixtures_.empty()) return dense;
  if (!law.knows_experts()) {
    throw InputError({"--law", 0, 0}, fmt::format("{} knows no experts", law.id),
                     "leave --law away, or name one that does");
  }
  const auto met = place_of(Col::active_params_b);
  if (std::set<double>{mixtures_.begin(), mixtures_.end()}.size() != mixtures_.size()) {
    throw InputError({"--mixtures", 0, 0}, "a number of experts stands twice", "give each once");
  }
  std::vector<Candidate> all;
  for (auto& base : dense) {
    if (!base.params || !base.tokens || !base.cells[met].empty()) {
      throw InputError({"--mixtures", 0, 0}, "mixtures stand beside dense sizes on known tokens",
                       "give --params and --tokens (or what they are solved for), and neither "
                       "--active-params nor --architecture");
    }
    all.push_back(base);
    const double loss = law.loss(*base.params, *base.tokens);
    for (const double experts : mixtures_) {
      std::optional<double> params = base.params;
      std::optional<double> tokens = base.tokens;
      if (equal_ == "loss") tokens = law.tokens_for(loss, *params, experts);
      if (equal_ == "data") params = law.params_for(loss, *tokens, experts);
      if (!params || !tokens) {
        throw InputError({"--mixtures", 0, 0},
                         fmt::format("by {} no mixture of {:g} is as good as {} there", law.id,
                                     experts, base.name),
                         "give fewer experts");
      }
      const double whole = *params * (1 + (experts - 1) * planner::kUsualFeedForward);
      Candidate mixture = sized(base, whole, *tokens);
      mixture.cells[met] = billions(*params);
      mixture.name = fmt::format("{} with {:g} experts", base.name, experts);
      all.push_back(std::move(mixture));
    }
  }
  const char* shares = equal_ == "active" ? "the same size for a token and the same tokens"
                       : equal_ == "data" ? "the same loss on the same tokens"
                                          : "the same size for a token and the same loss";
  told_mixtures_ = fmt::format(
      "Mixtures have so many times the feed-forward layers, one of them met by a token: {}, by "
      "{}.{}",
      shares, law.id, limit() ? " The limit binds the dense sizes." : "");
  return all;
}

std::string TypedCandidates::text_of(const std::vector<Candidate>& candidates) const {
  std::vector<bool> used(values_.size());
  for (const auto& c : candidates) {
    for (std::size_t i = 0; i < used.size(); ++i) used[i] = used[i] || !c.cells[i].empty();
  }
  const auto met = place_of(Col::active_params_b);
  std::string text = "name,type";
  for (std::size_t i = 0; i < used.size(); ++i) {
    if (used[i]) text += fmt::format(",{}", planner::column_of(values_[i].col).name);
  }
  text += '\n';
  for (const auto& c : candidates) {
    planner::append_csv_cell(text, c.name);
    text += c.cells[met].empty() ? "," : ",moe";
    for (std::size_t i = 0; i < used.size(); ++i) {
      if (!used[i]) continue;
      text += ',';
      planner::append_csv_cell(text, c.cells[i]);
    }
    text += '\n';
  }
  return text;
}

namespace {

/// A size, and others around it in steps of two: the one that is asked for first.
std::vector<double> around(double params, int steps = 2) {
  std::vector<double> sizes{two_digits(params)};
  for (int step = -steps; step <= steps; ++step) {
    if (step != 0) sizes.push_back(two_digits(params * std::pow(2, step)));
  }
  return sizes;
}

}  // namespace

std::vector<TypedCandidates::Candidate> TypedCandidates::of_work(
    double flop, const models::ScalingLaw& law) const {
  const auto like = as_typed();
  std::vector<Candidate> candidates;
  const auto params_at = place_of(Col::params_b);
  if (!values_[params_at].cells.empty()) {
    const auto met = place_of(Col::active_params_b);
    for (std::size_t row = 0; row < like.size(); ++row) {
      const double params = number(params_at, row);
      const double working = values_[met].cells.empty() ? params : number(met, row);
      candidates.push_back(sized(like[row], params, flop / (kFlopPer * working)));
    }
    return candidates;
  }
  const auto best = law.optimum(flop);
  solved_ =
      fmt::format("The least loss for {} FLOP by {}: {} parameters on {} tokens ({:.0f} each).",
                  compute_, law.id, count_for_people(best.params), count_for_people(best.tokens),
                  best.tokens / best.params);
  for (const double params : around(best.params)) {
    candidates.push_back(sized(like.front(), params, flop / (kFlopPer * params)));
  }
  return candidates;
}

std::vector<TypedCandidates::Candidate> TypedCandidates::of_loss(
    const models::ScalingLaw& law) const {
  const auto like = as_typed();
  const double loss = *loss_;
  const auto cheapest = law.cheapest(loss);
  if (!cheapest) {
    throw InputError(
        {"--loss", 0, 0},
        fmt::format("{} is below what any model reaches by {}, {}", loss, law.id, law.irreducible),
        "ask for more, or choose another --law");
  }
  const auto params_at = place_of(Col::params_b);
  const auto met = place_of(Col::active_params_b);
  std::vector<Candidate> candidates;
  if (!values_[params_at].cells.empty()) {
    for (std::size_t row = 0; row < like.size(); ++row) {
      const double params = number(params_at, row);
      const double working = values_[met].cells.empty() ? params : number(met, row);
      const auto tokens = law.tokens_for(loss, working, experts(row));
      if (!tokens) {
        throw InputError(
            {"--params", 0, 0},
            fmt::format("{} never reaches {}, however many tokens: by {} its least is {:.3f}",
                        count_for_people(params), loss, law.id,
                        law.irreducible + law.of_params(working, experts(row))),
            fmt::format("the cheapest is {}", count_for_people(cheapest->params)));
      }
      candidates.push_back(sized(like[row], params, *tokens));
    }
    return candidates;
  }
  solved_ =
      fmt::format("The least work for a loss of {} by {}: {} parameters on {} tokens.", loss,
                  law.id, count_for_people(cheapest->params), count_for_people(cheapest->tokens));
  for (const double params : around(cheapest->params)) {
    if (const auto tokens = law.tokens_for(loss, params)) {
      candidates.push_back(sized(like.front(), params, *tokens));
    }
  }
  return candidates;
}

std::vector<TypedCandidates::Candidate> TypedCandidates::of_limit(const Limit& limit,
                                                                  const models::ScalingLaw& law,
                                                                  const Evaluate& evaluate) const {
  const auto like = as_typed();
  const auto typed_too = [&](Col col) { return !values_[place_of(col)].cells.empty(); };
  if (like.size() > 1 || typed_too(Col::tokens_b) || typed_too(Col::days) ||
      typed_too(Col::architecture) || typed_too(Col::active_params_b)) {
    throw InputError({limit.option, 0, 0},
                     "size and tokens are solved for, of one dense candidate: not with several, "
                     "--tokens, --days, --architecture or --active-params",
                     "give one --device, --devices and place");
  }
  const auto value_of = [&](const ReportRow& row) -> std::optional<double> {
    if (!row.ok || row.status != planner::Status::ok || !row.candidate.fits) return std::nullopt;
    return max_cost_ ? row.candidate.cost : (*row.predicted)[limit.key];
  };
  std::vector<double> sizes;
  const auto params_at = place_of(Col::params_b);
  if (!values_[params_at].cells.empty()) {
    sizes.push_back(number(params_at, 0));
  } else {
    constexpr double kFirst = 1e8;
    constexpr double kLast = 2e12;
    constexpr double kStep = 1.25;
    for (double params = kFirst; params <= kLast; params *= kStep) sizes.push_back(params);
  }
  // Tokens that a limit leaves to each size. What a run costs goes with its tokens, but for a grid
  // by the hour: it is tried again until the limit is met.
  bool known = false;
  const auto tokens_of = [&](const std::vector<double>& params, int tries) {
    constexpr double kUsualTokens = 20;  // of a parameter
    constexpr double kNear = 1e-3;
    constexpr double kMost = 1e14;
    std::vector<double> tokens;
    for (const double p : params) tokens.push_back(kUsualTokens * p);
    std::vector<std::optional<double>> met(params.size());
    for (int attempt = 0; attempt < tries; ++attempt) {
      std::vector<Candidate> trial;
      for (std::size_t i = 0; i < params.size(); ++i) {
        trial.push_back(sized(like.front(), params[i], tokens[i]));
      }
      const auto rows = evaluate(text_of(trial));
      bool all = true;
      for (std::size_t i = 0; i < params.size(); ++i) {
        met[i].reset();
        const auto value = i < rows.size() ? value_of(rows[i]) : std::nullopt;
        if (!value || !(*value > 0)) continue;
        known = true;
        if (std::abs(*value / limit.most - 1) < kNear) met[i] = tokens[i];
        all = all && met[i];
        tokens[i] = std::clamp(tokens[i] * limit.most / *value, 1.0, kMost);
        // The last step is taken on trust by a first look alone.
        if (tries == 1) met[i] = tokens[i];
      }
      if (all) break;
    }
    return met;
  };
  const auto first = tokens_of(sizes, 1);
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (!first[i]) continue;
    if (!best || law.loss(sizes[i], *first[i]) < law.loss(sizes[*best], *first[*best])) best = i;
  }
  if (!best) {
    throw InputError({limit.option, 0, 0},
                     known ? "no size fits into the memory of so many devices"
                           : "what is limited is not known for any size",
                     known ? "give more --devices"
                           : "give --device, --devices and a place (--region, or --pue and "
                             "--intensity); for money --price-per-device-hour");
  }
  // Plans of neighbors differ: the one that is told is the best of those shown.
  double params = sizes.size() == 1 ? sizes.front() : two_digits(sizes[*best]);
  std::vector<Candidate> candidates;
  constexpr int kMostTries = 4;
  for (int attempt = 0; attempt < kMostTries; ++attempt) {
    const auto shown = sizes.size() == 1 ? sizes : around(params, 1);
    constexpr int kSteps = 12;
    const auto tokens = tokens_of(shown, kSteps);
    candidates.clear();
    double least = HUGE_VAL;
    double least_params = params;
    for (std::size_t i = 0; i < shown.size(); ++i) {
      if (!tokens[i]) continue;
      candidates.push_back(sized(like.front(), shown[i], *tokens[i]));
      const double loss = law.loss(shown[i], *tokens[i]);
      if (loss >= least) continue;
      least = loss;
      least_params = shown[i];
      solved_ = fmt::format("The least loss within {} by {}: {} parameters on {} tokens.",
                            fmt::format(fmt::runtime(limit.what), for_people(limit.most)), law.id,
                            count_for_people(shown[i]), count_for_people(*tokens[i]));
    }
    if (least_params == params) break;
    params = least_params;
  }
  if (candidates.empty()) {
    throw InputError({limit.option, 0, 0}, "no number of tokens meets it",
                     "with --hourly the carbon need not grow with the tokens: leave it away");
  }
  return candidates;
}

std::string TypedCandidates::table(const planner::Catalogue& catalogue,
                                   const Evaluate& evaluate) const {
  const bool mixture = !values_[place_of(Col::active_params_b)].cells.empty();
  const auto& used = law(catalogue, mixture || !mixtures_.empty());
  const auto text = [&](std::vector<Candidate> candidates) {
    return text_of(with_mixtures(std::move(candidates), used));
  };
  if (const auto most = limit()) return text(of_limit(*most, used, evaluate));
  if (!compute_.empty() || loss_) {
    const bool open = values_[place_of(Col::params_b)].cells.empty();
    if (mixture && open) {
      throw InputError({"--active-params", 0, 0}, "sizes that are solved for are dense",
                       "give --params with it: the tokens are solved for then");
    }
    if (!values_[place_of(Col::days)].cells.empty()) {
      throw InputError({"--days", 0, 0}, "the time follows from what is solved for",
                       "leave it away");
    }
    if (!values_[place_of(Col::architecture)].cells.empty()) {
      throw InputError({compute_.empty() ? "--loss" : "--compute", 0, 0},
                       "a size is solved for, or its tokens, not an architecture",
                       "give --params in its place, or --tokens with it");
    }
    if (!values_[place_of(Col::tokens_b)].cells.empty()) {
      throw InputError({compute_.empty() ? "--loss" : "--compute", 0, 0}, "tokens are solved for",
                       "leave --tokens away");
    }
  }
  if (!compute_.empty()) {
    const auto flop = parse_count(compute_);
    constexpr double kLeast = 1e12;
    if (!flop.ok() || flop.value < kLeast) {
      throw InputError({"--compute", 0, 0}, fmt::format("'{}' is no work", shortened(compute_)),
                       "write FLOP: 1e24");
    }
    return text(of_work(flop.value, used));
  }
  if (loss_) return text(of_loss(used));
  return text(as_typed());
}

}  // namespace pretrain::cli
