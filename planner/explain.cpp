#include "planner/explain.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>
#include <utility>

#include "models/core/units.hpp"
#include "models/efficiency.hpp"
#include "models/parameters.hpp"
#include "models/power.hpp"
#include "models/state_space.hpp"
#include "planner/memory_fit.hpp"

namespace pretrain::planner {

namespace {

constexpr double kBillion = 1e9;
const Origin kUsualShape{"architecture.usual_shape", "", "", true};
const Origin kUsualFill{"memory.fit", "", "", true};
const Origin kUsualState{"memory.state", "", "", true};
const Origin kFastestPlan{"the fastest plan that fits", "", "", true};
const Origin kSpread{"step_spread.csv", "", "", true};
// Ranges: their sources stand in the rows named.
const Origin kLostRange{"defaults.csv productive_share, low and high; faults within a factor of 2",
                        "", "", true};
const Origin kPowerRange{"loads.csv known_step or unknown_step, and hosts.csv low and high", "", "",
                         true};
const Origin kSiteRange{"defaults.csv pue_site, low and high", "", "", true};
const Origin kUnknownSiteRange{"defaults.csv pue_unknown, low and high", "", "", true};
const Origin kGridRange{"defaults.csv grid_year, low and high", "", "", true};
const Origin kFirstPlan{"the first usual plan that fits", "", "", true};
const Origin kRest{"devices / (tp pp cp)", "", "", true};
const Origin kBlankDegree{"a blank degree is 1", "", "", true};
const Origin kOneSequence{"one sequence at a time", "", "", true};
const Origin kAllRecomputed{"assumption: all blocks, where the row does not say", "", "", true};
const Origin kNoneTrained{"assumption: adapters are small", "", "", true};
const Origin kNoTeacher{"the teacher is not stated", "", "", true};
const Origin kNearerEnd{"the nearer end of the regression's range", "", "", true};
const Origin kStacks{"a package of dies, and one for each 16 GB of memory", "", "", true};
const double kOf90 = models::normal_quantile(0.95);
constexpr auto kTeraflopsPerDevice = teraflops / device;
constexpr auto kWattPerDevice = watt / device;
constexpr auto kHours = hour * device;
constexpr auto kKilogramPerKilowattHour = kilogram / kilowatt_hour;

template <class Q>
Term term(std::string_view symbol, const Known<Q>& known, Q unit, std::string_view unit_name) {
  return {symbol, (*known).in(unit), unit_name, known.basis, known.origin};
}
Term term(std::string_view symbol, const Known<double>& known, std::string_view unit_name = "") {
  return {symbol, *known, unit_name, known.basis, known.origin};
}

class Proof {
 public:
  Proof(const Result& r, const hardware::FabTable& fab)
      : s_{r.scenario}, e_{r.estimate}, fab_{fab} {}

  std::vector<Step> steps() {
    parameters();
    work();
    // Hours that were stated go into an implied efficiency; hours that were solved for come later.
    const bool hours_first = s_.booked || (s_.devices && s_.days);
    if (hours_first) hours();
    rate();
    lost_time();
    duration();
    if (!hours_first) hours();
    reached();
    memory();
    power();
    energy();
    carbon();
    interval();
    return std::move(steps_);
  }

 private:
  void add(std::string_view equation, std::string_view name, std::vector<Term> terms, double result,
           std::string_view unit) {
    steps_.push_back({equation, name, std::move(terms), result, unit});
  }
  bool modeled_from(const Known<double>& value, std::string_view place) const {
    return value.origin != nullptr && value.basis == Basis::model && value.origin->place == place;
  }

  void parameters() {
    if (s_.total_params.basis != Basis::model) return;
    if (s_.counted) {
      counted_parameters();
      return;
    }
    const auto layers = s_.spec[models::Field::layers];
    const auto hidden = s_.spec[models::Field::hidden];
    const auto terms = [&](const Known<double>& experts) {
      std::vector<Term> list{term("l", layers), term("h", hidden)};
      if (experts) {
        const auto& period = s_.spec[models::Field::moe_layer_period];
        list.push_back({"rho", period ? 1.0 / *period : 1.0, "",
                        period ? period.basis : Basis::fallback, nullptr});
        list.push_back(term("N_e", experts));
      } else if (const auto& vocab = s_.spec[models::Field::vocab]; vocab) {
        list.push_back(term("V", vocab));
      }
      return list;
    };
    const bool moe = s_.type == "moe";
    add(s_.total_params.origin->place, "total_params",
        terms(moe ? s_.spec[models::Field::experts] : Known<double>{}), *s_.total_params, "1");
    if (modeled_from(s_.active_params, "params.llmcarbon.moe")) {
      add(s_.active_params.origin->place, "active_params",
          terms(s_.spec[models::Field::experts_per_token]), *s_.active_params, "1");
    }
  }

  /// Terms of the components that are there.
  static std::vector<Term> components(
      std::initializer_list<std::pair<std::string_view, double>> parts, std::string_view unit) {
    std::vector<Term> list;
    for (const auto& [symbol, value] : parts) {
      if (value != 0) list.push_back({symbol, value, unit, Basis::model, nullptr});
    }
    return list;
  }

  void counted_parameters() {
    const auto p = models::parameters(s_.architecture);
    add("params.exact", "total_params",
        components({{"embedding", p.embedding},
                    {"positions", p.positions},
                    {"attention", p.attention},
                    {"state space", p.state_space},
                    {"ffn", p.ffn},
                    {"experts", p.routed_experts},
                    {"latent", p.expert_latent},
                    {"shared", p.shared_experts},
                    {"router", p.router},
                    {"norms", p.norms},
                    {"head", p.head}},
                   "parameters"),
        p.total(), "1");
    if (p.inactive == 0) return;
    add("params.active", "active_params",
        {term("N", s_.total_params, "parameters"),
         {"N_idle", p.inactive, "parameters", Basis::model, nullptr}},
        p.active(), "1");
  }

  Term per_token() const { return term("f", e_.work.per_token, "FLOP"); }

  void work() {
    if (!e_.work.per_token) return;
    if (s_.convention == models::FlopConvention::six_nd) {
      std::vector<Term> terms{term("N", s_.active_params, "parameters")};
      phase_terms(terms, *s_.active_params);
      add(phase_equation("flops.6nd", "flops.6nd.frozen", "flops.6nd.distill"), "flop_per_token",
          std::move(terms), *e_.work.per_token, "FLOP");
    } else {
      counted_work(s_.convention, "flop_per_token");
    }
    if (e_.work.compute && !modeled_from(e_.duration.tokens, "tokens.reached")) {
      add("flops.training", "training_flops",
          {per_token(), term("D", e_.duration.tokens, "tokens")}, (*e_.work.compute).in(flop),
          "FLOP");
    }
  }

  std::string_view phase_equation(std::string_view all, std::string_view frozen,
                                  std::string_view distill) const {
    if (s_.mode.phase == models::Phase::frozen) return frozen;
    return s_.mode.phase == models::Phase::distill ? distill : all;
  }
  /// `all`: the parameters that a token meets, of which at most all are trained.
  void phase_terms(std::vector<Term>& terms, double all) const {
    if (s_.mode.phase == models::Phase::frozen) {
      terms.push_back({"N_t", std::min(all, s_.mode.trainable_params), "parameters",
                       s_.trainable_params ? Basis::given : Basis::fallback,
                       s_.trainable_params ? nullptr : &kNoneTrained});
    } else if (s_.mode.phase == models::Phase::distill) {
      terms.push_back({"N_teacher", s_.mode.teacher_params, "parameters",
                       s_.teacher_params ? Basis::given : Basis::fallback,
                       s_.teacher_params ? nullptr : &kNoTeacher});
    }
  }

  /// Convolution and scan of a hybrid's blocks without attention.
  void scan_work() {
    const auto& a = s_.architecture;
    if (a.ssm_layers <= 0) return;
    const auto work = models::state_space_work(a);
    add("flops.state_space", "scan_flop_per_token",
        {modeled("l_s", a.ssm_layers, "layers"), modeled("convolution", work.convolution, "FLOP"),
         modeled("scan", work.scan, "FLOP")},
        a.ssm_layers * work.total(), "FLOP");
  }

  /// FLOPs of a token, component by component, in one convention.
  void counted_work(models::FlopConvention convention, std::string_view name) {
    const auto& w = e_.work.token;
    if (!linear_shown_) {
      linear_shown_ = true;
      add("flops.linear", "forward_flop_per_token",
          components({{"projections", w.projections},
                      {"ffn", w.ffn},
                      {"experts", w.routed_experts},
                      {"latent", w.expert_latent},
                      {"shared", w.shared_experts},
                      {"router", w.router},
                      {"patches", w.embedding},
                      {"logits", w.logits},
                      {"mtp", w.mtp}},
                     "FLOP"),
          w.linear(), "FLOP");
      scan_work();
    }
    const bool causal = convention == models::FlopConvention::model_causal;
    const double core = causal ? w.attention_causal : w.attention_full;
    const auto& a = s_.architecture;
    const bool scans = w.state_space > 0;
    const double layers = models::attention_layers(a);
    const double width = a.query_width() + a.value_width();
    // The mean over layers with and without a window.
    const double context = layers > 0 ? core / (2 * layers * width) : 0;
    std::vector<Term> attention{
        {"l", layers, "layers", Basis::model, nullptr},
        {"c", context, "tokens", s_.work_seq_len.basis, s_.work_seq_len.origin},
        {"w", width, "", Basis::model, nullptr}};
    if (scans) attention.push_back(modeled("S", w.state_space, "FLOP"));
    const std::string_view scores = causal ? "flops.attention.causal" : "flops.attention.full";
    add(scans ? "flops.mixers" : scores,
        scans ? "mixer_flop_per_token" : "attention_flop_per_token", std::move(attention),
        core + w.state_space, "FLOP");
    std::vector<Term> whole{{"F", w.linear(), "FLOP", Basis::model, nullptr},
                            {"A", core + w.state_space, "FLOP", Basis::model, nullptr}};
    phase_terms(whole, w.linear() / 2);
    const double per_token = models::training_flop_per_token(w, convention, s_.mode);
    std::string_view equation =
        phase_equation("flops.token", "flops.token.frozen", "flops.token.distill");
    if (convention == models::FlopConvention::hardware) {
      auto plain = s_.mode;
      plain.recompute = models::Recompute::none;
      const bool stated = s_.recompute_basis == Basis::given;
      whole.push_back(
          {"recomputed", per_token - models::training_flop_per_token(w, convention, plain), "FLOP",
           stated ? Basis::given : Basis::fallback, stated ? nullptr : &kAllRecomputed});
      equation = "flops.token.hardware";
    }
    add(equation, name, std::move(whole), per_token, "FLOP");
  }

  void efficiency() {
    const auto& mfu = e_.rate.mfu;
    if (s_.mfu_from_achieved && mfu.basis == Basis::given) {
      add("efficiency.achieved", "mfu",
          {term("achieved", s_.achieved, kTeraflopsPerDevice, "TFLOP/s"),
           term("peak", s_.peak, kTeraflopsPerDevice, "TFLOP/s")},
          *mfu, "1");
    } else if (modeled_from(mfu, "efficiency.implied")) {
      add("efficiency.implied", "mfu",
          {term("C", e_.work.compute, flop, "FLOP"),
           term("peak", s_.peak, kTeraflopsPerDevice, "TFLOP/s"),
           term("n_T", e_.duration.booked, kHours, "h"), term("g", e_.duration.goodput)},
          *mfu, "1");
    } else if (modeled_from(mfu, "efficiency.converted")) {
      const double fitted = models::llmcarbon_mfu(*s_.active_params);
      if (s_.convention != models::FlopConvention::model_full) {
        counted_work(models::FlopConvention::model_full, "flop_per_token_full_attention");
      }
      add("efficiency.llmcarbon", "mfu_full_attention", {fitted_params()}, fitted, "1");
      const auto full = flop_per_token(s_, e_.work, models::FlopConvention::model_full);
      add("efficiency.converted", "mfu",
          {{"MFU_r", fitted, "", Basis::model, nullptr},
           per_token(),
           {"f_r", full.value_or(0), "FLOP", Basis::model, nullptr}},
          *mfu, "1");
      step_interval();
    } else if (modeled_from(mfu, "efficiency.step")) {
      step_time();
    } else if (mfu.basis == Basis::model) {
      add(mfu.origin->place, "mfu", {fitted_params()}, *mfu, "1");
      step_interval();
    } else if (e_.rate.hfu && !mfu) {
      add(e_.rate.hfu.origin->place, "hfu", {fitted_params()}, *e_.rate.hfu, "1");
    }
  }

  void step_time() {
    const auto& step = e_.step;
    std::vector<Term> parts;
    for (const auto& part : models::kStepParts) {
      const Time time = step.time.*part.part;
      if (time != Time{}) parts.push_back(modeled(part.name, time.in(second), "s"));
    }
    const double total = step.time.total().in(second);
    add("step.time", "step_time_s", std::move(parts), total, "s");
    const auto& q = *step.question;
    add("efficiency.step", "mfu",
        {modeled("T", q.batch_tokens, "tokens"), per_token(), modeled("t", total, "s"),
         modeled("n", q.devices, "devices"), term("P", s_.peak, kTeraflopsPerDevice, "TFLOP/s")},
        *e_.rate.mfu, "1");
    step_interval();
  }

  /// Of the time of a step.
  void step_interval() {
    const auto& step = e_.step;
    if (!(step.half_width > 0)) return;
    add("step.interval", "interval_factor",
        {{"p", s_.options.interval, "", Basis::given, nullptr},
         {"s_90", step.half_width_90, "", Basis::catalogue, &kSpread}},
        std::exp(step.half_width), "1");
  }

  /// The parameters that went into the regression: the nearer end outside its range.
  Term fitted_params() const {
    Term n = term("N", s_.active_params, "parameters");
    const double fitted =
        std::clamp(n.value, models::kLlmcarbonLeastParams, models::kLlmcarbonMostParams);
    if (fitted != n.value) n = {"N", fitted, "parameters", Basis::fallback, &kNearerEnd};
    return n;
  }

  void rate() {
    if (!e_.rate.flops) return;
    efficiency();
    const bool hardware = e_.rate.hfu && !e_.rate.mfu;
    add(hardware ? "rate.llmcarbon" : "rate.device", "tflops_per_device",
        {hardware ? term("HFU", e_.rate.hfu) : term("MFU", e_.rate.mfu),
         term("peak", s_.peak, kTeraflopsPerDevice, "TFLOP/s")},
        (*e_.rate.flops).in(kTeraflopsPerDevice), "TFLOP/s");
    if (!e_.rate.tokens) return;
    add("rate.tokens", "tokens_per_s_per_device",
        {term("R", e_.rate.flops, kTeraflopsPerDevice, "TFLOP/s"), per_token()}, *e_.rate.tokens,
        "tokens/s");
    if (!e_.rate.iteration) return;
    add("time.iteration", "iteration_s",
        {term("s", s_.seq_len, "tokens"), term("B", e_.rate.batch, "sequences"),
         term("r", e_.rate.tokens, "tokens/s"), term("n", e_.duration.devices, device, "devices")},
        (*e_.rate.iteration).in(second), "s");
  }

  /// How much larger energy and carbon may be than predicted.
  void interval() {
    if (s_.options.interval <= 0 || !e_.energy.facility) return;
    const auto& spreads = e_.spreads;
    const bool solved = !s_.booked && !(s_.days && s_.devices);
    const bool carbon = e_.carbon.operational.basis != Basis::absent;
    std::vector<Term> terms;
    models::LogSum sum;
    const auto take = [&](std::string_view up, std::string_view down, models::Spread spread,
                          bool counts, const Origin& range, double floor = HUGE_VAL) {
      if (!counts || spread.up <= 0) return;
      terms.push_back({up, spread.up, "", Basis::catalogue, &range});
      terms.push_back({down, spread.down, "", Basis::catalogue, &range});
      sum.add(spread, floor);
    };
    const double used = std::max(e_.rate.mfu ? *e_.rate.mfu : 0, e_.rate.hfu ? *e_.rate.hfu : 0);
    take("time+", "time-", spreads.time, solved, kSpread,
         used > 0 ? std::max(0.0, -std::log(used)) : HUGE_VAL);
    if (solved && spreads.time.up > 0 && used > 0) {
      terms.push_back({"floor", std::max(0.0, -std::log(used)), "", Basis::model, nullptr});
    }
    take("goodput+", "goodput-", spreads.goodput, solved, kLostRange);
    take("power+", "power-", spreads.node_power, true, kPowerRange);
    take("pue+", "pue-", spreads.pue, true,
         s_.pue.basis == Basis::fallback ? kUnknownSiteRange : kSiteRange);
    take("intensity+", "intensity-", spreads.intensity, carbon, kGridRange);
    if (terms.empty()) return;
    add("interval.product", carbon ? "operational_tco2e_upper_90" : "facility_energy_upper_90",
        std::move(terms), sum.ends(kOf90).up, "1");
  }

  /// Where booked time goes.
  void lost_time() {
    const auto& d = e_.duration;
    if (!d.shares) return;
    constexpr double kMillion = 1e6;
    const double devices = e_.step.question->devices;
    auto rate = term("lambda", d.interruptions, "1/h");
    rate.value /= kMillion;
    const Time between = models::between_interruptions(devices * device, {rate.value, {}, {}, 1});
    const Time interval = models::checkpoint_interval(*d.checkpoint, between);
    add("goodput.interruptions", "time_between_interruptions",
        {rate, modeled("n", devices, "devices")}, between.in(second), "s");
    add("goodput.interval", "checkpoint_interval",
        {term("delta", d.checkpoint, second, "s"), modeled("M", between.in(second), "s")},
        interval.in(second), "s");
    add("goodput.useful", "goodput",
        {term("p", d.productive), term("delta", d.checkpoint, second, "s"),
         modeled("tau", interval.in(second), "s"), term("R", d.restart, second, "s"),
         modeled("M", between.in(second), "s")},
        *d.goodput, "1");
  }

  void duration() {
    const auto& d = e_.duration;
    const auto from = [](const auto& value, std::string_view place) {
      return value.origin != nullptr && value.origin->place == place;
    };
    if (d.devices && from(d.devices, "devices.needed")) {
      std::vector<Term> terms{term("C", e_.work.compute, flop, "FLOP"),
                              term("R", e_.rate.flops, kTeraflopsPerDevice, "TFLOP/s"),
                              term("T", d.days, day, "days"), term("g", e_.duration.goodput)};
      const double devices = (*d.devices).in(device);
      if (e_.step.question) terms.push_back(modeled("m", devices, "devices"));
      add("devices.needed", "devices", std::move(terms), devices, "devices");
    }
    if (d.days && from(d.days, "time.training")) {
      add("time.training", "training_days",
          {term("C", e_.work.compute, flop, "FLOP"),
           term("R", e_.rate.flops, kTeraflopsPerDevice, "TFLOP/s"),
           term("n", d.devices, device, "devices"), term("g", e_.duration.goodput)},
          (*d.days).in(day), "days");
    }
  }

  void hours() {
    const auto& d = e_.duration;
    if (d.days.origin != nullptr && d.days.origin->place == "time.booked") {
      add("time.booked", "training_days",
          {term("n_T", d.booked, kHours, "h"), term("n", d.devices, device, "devices")},
          (*d.days).in(day), "days");
    }
    if (d.devices.origin != nullptr && d.devices.origin->place == "devices.booked") {
      add("devices.booked", "devices",
          {term("n_T", d.booked, kHours, "h"), term("T", d.days, day, "days")},
          (*d.devices).in(device), "devices");
    }
    if (d.booked && d.booked.basis == Basis::model && d.devices && d.days) {
      add("time.device_hours", "device_hours",
          {term("n", d.devices, device, "devices"), term("T", d.days, day, "days")},
          (*d.booked).in(kHours), "h");
    }
  }

  /// What the booked time is enough for, where the tokens were solved for.
  void reached() {
    const auto& d = e_.duration;
    if (modeled_from(d.tokens, "tokens.reached")) {
      add("flops.booked", "training_flops",
          {term("R", e_.rate.flops, kTeraflopsPerDevice, "TFLOP/s"),
           term("n_T", d.booked, kHours, "h"), term("g", e_.duration.goodput)},
          (*e_.work.compute).in(flop), "FLOP");
      add("tokens.reached", "tokens", {term("C", e_.work.compute, flop, "FLOP"), per_token()},
          *d.tokens, "tokens");
    }
  }

  static Term modeled(std::string_view symbol, double value, std::string_view unit = "") {
    return {symbol, value, unit, Basis::model, nullptr};
  }

  /// Memory of the stage that needs most, from the bytes of a parameter to the verdict.
  void memory() {
    if (!e_.fit.verdict) return;
    const auto& v = *e_.fit.verdict;
    const auto& a = s_.architecture;
    const auto& r = v.recipe;
    const auto& p = v.plan;
    const auto& m = v.memory;
    if (!s_.counted) {
      const bool moe = a.moe_layers > 0;
      add("architecture.usual_shape", "hidden",
          {term("N", moe ? s_.active_params : s_.total_params, "parameters")}, a.hidden, "1");
    }
    add("memory.state", "bytes_per_parameter",
        {modeled("weights", r.state.weight, "B"), modeled("gradients", r.state.gradient, "B"),
         modeled("optimizer", r.state.optimizer, "B")},
        r.state.total(), "B");
    // Parts of the formula, each with what divides it.
    double sequence = 0;
    double tensor = 0;
    double core = 0;
    const auto take = [&](const models::BlockActivations& b, double share) {
      sequence += share * (b.sequence * (p.sequence_parallel ? 1 / p.tp : 1) +
                           b.routed * (p.ep > 1 ? 1 / p.tp : 1));
      tensor += share * (b.tensor + b.experts) / p.tp;
      core += share * b.core * r.seq_len / p.tp;
    };
    if (a.hybrid()) {
      // The mean of its blocks, of which those with a state are shown first.
      for (const auto& kind : models::block_kinds(a)) {
        take(models::block_activations(a, kind, r, p.cp > 1), kind.count / a.layers);
      }
      const auto b = models::block_activations(
          a, {models::Mixer::state_space, models::FeedForward::none, 1}, r, p.cp > 1);
      const double mixer = b.sequence * (p.sequence_parallel ? 1 / p.tp : 1);
      if (a.ssm_layers > 0) {
        add("memory.activations.state_space", "mixer_activation_bytes_per_token",
            {modeled("4 h", mixer, "B"), modeled("2 (w + 2 d) / t", b.tensor / p.tp, "B")},
            mixer + b.tensor / p.tp, "B");
      }
    } else {
      take(models::block_activations(a, a.moe_layers > 0, r, p.cp > 1), 1);
    }
    add("memory.activations.block", "activation_bytes_per_token_and_block",
        components({{"2 (4 h) + masks", sequence},
                    {"2 (q + k + v + o) / t + n f / t", tensor},
                    {"5 a s / t", core}},
                   "B"),
        sequence + tensor + core, "B");
    if (p.pp > 1) {
      add("memory.in_flight", "micro_batches_in_flight",
          {modeled("m", r.micro_batches), modeled("p", p.pp), modeled("r", m.stage),
           modeled("v", p.interleave)},
          models::in_flight(p, r.micro_batches, m.stage), "1");
    }
    add("memory.device", "memory_gib_per_device",
        components({{"state N / shares", m.state().in(gibibyte)},
                    {"A s b L m_f / c + max(loss; block in hand)",
                     (m.activations + m.logits).in(gibibyte)},
                    {"buffers", m.buffers.in(gibibyte)}},
                   "GiB"),
        m.allocated().in(gibibyte), "GiB");
    add("memory.reported", "device_reports_gib",
        {modeled("allocated", m.allocated().in(gibibyte), "GiB")}, m.total().in(gibibyte), "GiB");
    add("memory.usable", "usable_gib_per_device",
        {term("device", s_.device_memory, gibibyte, "GiB")}, v.capacity.in(gibibyte), "GiB");
    add("memory.fit", "fits",
        {modeled("memory.device", m.allocated().in(gibibyte), "GiB"),
         modeled("memory.usable", v.capacity.in(gibibyte), "GiB")},
        v.fits ? 1 : 0, "1");
  }

  /// Shares of time and levels of draw: what they are made of, and the load that they make.
  void load() {
    const auto& p = e_.power;
    if (p.known_step) {
      const auto& g = e_.duration.shares;
      add("power.shares", "products_share",
          {term("pace", p.pace),
           modeled("compute", models::computing(e_.step.time).in(second), "s"),
           modeled("total", e_.step.time.total().in(second), "s"),
           modeled("waits", g ? g->checkpoints + g->restarts : 0, "")},
          p.shares.products, "1");
    } else {
      add("power.shares.usual", "products_share", {term("pace", p.pace)}, p.shares.products, "1");
    }
    const auto shared = [&](std::string_view symbol, double value) {
      return Term{symbol, value, "", p.known_step ? Basis::model : Basis::fallback,
                  p.known_step ? nullptr : p.most.origin};
    };
    const auto level = [&](std::string_view symbol, double value) {
      return Term{symbol, value, "", Basis::fallback, p.most.origin};
    };
    add("power.load", "load",
        {shared("s_products", p.shares.products), level("a_products", p.levels.products),
         shared("s_slow", p.shares.slow), level("a_slow", p.levels.slow),
         shared("s_traffic", p.shares.traffic), level("a_traffic", p.levels.traffic),
         shared("s_exchange", p.shares.exchange), level("a_exchange", p.levels.exchange),
         shared("s_wait", p.shares.wait), level("a_wait", p.levels.wait)},
        p.load, "1");
    add("power.device.load", "device_power_w",
        {term("P_idle", p.idle, kWattPerDevice, "W"), term("P_most", p.most, kWattPerDevice, "W"),
         modeled("load", p.load, "")},
        (*p.device).in(kWattPerDevice), "W");
  }

  void host(std::string_view equation, std::string_view name, std::string_view from,
            const Known<DevicePower>& input, const Known<DevicePower>& draw) {
    const auto& p = e_.power;
    const auto of_host = [&](std::string_view symbol, double value, std::string_view unit) {
      return Term{symbol, value, unit, Basis::fallback, &p.host->origin};
    };
    add(equation, name,
        {term(from, input, kWattPerDevice, "W"),
         of_host("P_host", p.host_draw.components.in(watt), "W"),
         of_host("n_s", p.host_draw.devices.in(device), "devices"),
         of_host("f", p.host_draw.fan_share, ""),
         of_host("eta", p.host_draw.supply_efficiency, "")},
        (*draw).in(kWattPerDevice), "W");
  }

  void power() {
    if (!e_.duration.booked) return;
    const auto& p = e_.power;
    if (p.device_equation == "power.device.load") load();
    if (p.device_equation == "power.device.share") {
      host(p.device_equation, "device_power_w", "P_node", p.node, p.device);
    }
    if (!p.node_equation.empty())
      host(p.node_equation, "node_power_w", "P_device", p.device, p.node);
  }

  void energy() {
    const auto& energy = e_.energy;
    const auto booked = [this] { return term("n_T", e_.duration.booked, kHours, "h"); };
    if (energy.device) {
      add("energy.device", "device_energy_mwh",
          {term("P_device", e_.power.device, kWattPerDevice, "W"), booked()},
          (*energy.device).in(megawatt_hour), "MWh");
    }
    if (energy.node) {
      add("energy.node", "node_energy_mwh",
          {term("P_node", e_.power.node, kWattPerDevice, "W"), booked()},
          (*energy.node).in(megawatt_hour), "MWh");
    }
    if (energy.facility) {
      add("energy.facility", "facility_energy_mwh",
          {term("E_node", energy.node, megawatt_hour, "MWh"), term("PUE", s_.pue)},
          (*energy.facility).in(megawatt_hour), "MWh");
    }
  }

  void chips(const CarbonResult& c) {
    const auto& d = *s_.device;
    const auto of_node = [&](std::string_view symbol, double value, std::string_view unit) {
      return Term{symbol, value, unit, Basis::catalogue, &c.chips.node->origin};
    };
    const auto of_device = [&](std::string_view symbol, double value, std::string_view unit) {
      return Term{symbol, value, unit, Basis::catalogue, &d.origin};
    };
    const auto of_fab = [](std::string_view symbol, const hardware::FabItem& item,
                           std::string_view unit) {
      return Term{symbol, item.mid, unit, Basis::fallback, &item.origin};
    };
    using Item = hardware::FabTable::Item;
    const auto& process = c.chips.node->process;
    add("embodied.act.area", "kg_per_cm2",
        {of_fab("CI_fab", fab_[Item::fab_grid], "kg/kWh"),
         of_node("EPA", process.kwh_per_cm2, "kWh/cm2"),
         of_node("GPA", process.gas_kg_per_cm2, "kg/cm2"),
         of_node("MPA", process.material_kg_per_cm2, "kg/cm2"), of_fab("Y", fab_[Item::yield], "")},
        c.chips.kg_per_cm2, "kg/cm2");
    add("embodied.act.chips", "chips_kg",
        {of_device("A", d.die_area->in(cm2), "cm2"),
         modeled("CPA", c.chips.kg_per_cm2, "kg/cm2"),
         of_device("M", *d.memory_gb, "GB"),
         of_fab("m", fab_[Item::memory], "kg/GB"),
         {"n_p", c.chips.packages, "packages", Basis::fallback, &kStacks},
         of_fab("p", fab_[Item::package], "kg")},
        c.chips.device.mid.in(kilogram), "kg");
  }

  void carbon() {
    const auto& c = e_.carbon;
    if (c.operational) {
      add("carbon.operational", "operational_tco2e",
          {term("E", e_.energy.facility, megawatt_hour, "MWh"),
           term("CI", e_.carbon.intensity, kKilogramPerKilowattHour, "kg/kWh")},
          (*c.operational).in(tonne), "t");
    }
    if (c.embodied) {
      if (c.die) {
        add(c.embodied_equation, "embodied_tco2e",
            {term("n", e_.duration.devices, device, "devices"),
             term("m_d", c.die, kilogram / device, "kg"),
             {"n_s", c.servers, "servers", Basis::fallback, c.server_chips.origin},
             term("m_s", c.server_chips, kilogram, "kg"),
             term("T", e_.duration.days, day, "days"),
             term("LT", s_.lifetime, day, "days")},
            (*c.embodied).in(tonne), "t");
      } else {
        if (c.chips.node != nullptr) chips(c);
        if (c.chips.host_row != nullptr) {
          add("embodied.act.server", "kg_per_device",
              {modeled("chips", c.chips.device.mid.in(kilogram), "kg"),
               {"host", c.chips.host.mid.in(kilogram), "kg", Basis::fallback,
                &c.chips.host_row->origin},
               term("n_s", s_.devices_per_node, "devices")},
              (*c.per_device).in(kilogram / device), "kg");
        }
        const bool guessed = c.guessed.mid > Mass{};
        if (guessed) {
          add("embodied.guess", "card_kg",
              {modeled("chips", c.chips.device.mid.in(kilogram), "kg"),
               {"k", c.guessed.mid / c.chips.device.mid, "", Basis::fallback, c.per_device.origin}},
              c.guessed.mid.in(kilogram), "kg");
        }
        if (c.host != nullptr) {
          add("embodied.server", "kg_per_device",
              {guessed ? modeled("card", c.guessed.mid.in(kilogram), "kg")
                       : Term{"card", c.card->mid.in(kilogram), "kg", c.per_device.basis,
                              &c.card->origin},
               {"host", c.host->mid.in(kilogram), "kg", Basis::catalogue, &c.host->origin},
               term("n_s", s_.devices_per_node, "devices")},
              (*c.per_device).in(kilogram / device), "kg");
        }
        add(c.embodied_equation, "embodied_tco2e",
            {term("M", c.per_device, kilogram / device, "kg"),
             term("n_T", e_.duration.booked, kHours, "h"), term("LT", s_.lifetime, hour, "h"),
             term("u", s_.utilization)},
            (*c.embodied).in(tonne), "t");
      }
    }
    if (c.total) {
      add("carbon.total", "total_tco2e",
          {term("operational", c.operational, tonne, "t"),
           term("embodied", c.embodied, tonne, "t")},
          (*c.total).in(tonne), "t");
    }
  }

  const Scenario& s_;
  const Estimate& e_;
  const hardware::FabTable& fab_;
  std::vector<Step> steps_;
  bool linear_shown_ = false;
};

}  // namespace

namespace {

/// The plan and what it keeps, as judged: stated, chosen, or a default.
void memory_inputs(const Result& result, std::vector<Input>& inputs) {
  const auto& s = result.scenario;
  const auto& fit = result.estimate.fit;
  const auto& v = *fit.verdict;
  const auto& stated = s.plan;
  const Origin* plan = s.options.plan == PlanMode::best ? &kFastestPlan : &kFirstPlan;
  // What a search put into the row was given by nobody.
  const auto origin_of = [&](std::string_view column, bool in_row, const Origin* origin) {
    if (!in_row) return origin;
    const auto col = s.options.searched.any() ? find_column(column) : std::nullopt;
    const bool searched = col && s.options.searched.test(static_cast<std::size_t>(*col));
    return searched ? &kSearchedPlan : nullptr;
  };
  const auto number = [&](std::string_view column, bool in_row, double value, Basis basis,
                          const Origin* origin, std::string_view unit = "") {
    const auto* from = origin_of(column, in_row, origin);
    const auto told = from == nullptr ? Basis::given : in_row ? Basis::model : basis;
    inputs.push_back({column, value, unit, told, from});
  };
  const auto text = [&](std::string_view column, bool in_row, std::string_view value,
                        const Origin* origin) {
    const auto* from = origin_of(column, in_row, origin);
    inputs.push_back({column, value, "", from == nullptr ? Basis::given : Basis::model, from});
  };
  const auto flag = [](bool value) { return value ? std::string_view{"true"} : "false"; };
  const auto degree = [&](std::string_view column, const std::optional<double>& cell, double value,
                          bool always) {
    if (!cell && !always && value == 1) return;
    const bool chosen = fit.chose_plan;
    number(column, cell.has_value(), value, chosen ? Basis::model : Basis::fallback,
           chosen ? plan : &kBlankDegree);
  };
  degree("tp", stated.tp, v.plan.tp, true);
  degree("pp", stated.pp, v.plan.pp, true);
  number("dp", stated.dp.has_value(), v.plan.dp, Basis::model, fit.chose_plan ? plan : &kRest);
  degree("cp", stated.cp, v.plan.cp, false);
  degree("ep", stated.ep, v.plan.ep, false);
  degree("interleave", stated.interleave, v.plan.interleave, false);
  if (v.plan.tp > 1) {
    text("sequence_parallel", stated.sequence_parallel.has_value(), flag(v.plan.sequence_parallel),
         &kUsualFill);
  }
  text("sharding", stated.sharding.has_value(), name_of(v.plan.sharding), &kUsualFill);
  const bool as_stated = stated.micro_batch && *stated.micro_batch == v.recipe.micro_batch;
  number("micro_batch_seqs", as_stated, v.recipe.micro_batch,
         v.chose_micro_batch || s.global_batch ? Basis::model : Basis::fallback,
         v.chose_micro_batch || s.global_batch ? &kUsualFill : &kOneSequence, "sequences");
  text("recompute", s.recompute_basis == Basis::given, name_of(v.recipe.recompute), &kUsualFill);
  if (!stated.offload.empty()) text("offload", true, stated.offload, nullptr);
  if (!stated.family.empty()) text("framework_family", true, stated.family, nullptr);
  number("weight_bytes", stated.weight_bytes.has_value(), v.recipe.state.weight, Basis::model,
         &kUsualState, "B");
  number("gradient_bytes", stated.gradient_bytes.has_value(), v.recipe.state.gradient, Basis::model,
         v.chose_state ? &kUsualFill : &kUsualState, "B");
  number("optimizer_bytes", stated.optimizer_bytes.has_value(), v.recipe.state.optimizer,
         Basis::model, v.chose_state ? &kUsualFill : &kUsualState, "B");
}

/// The usual shape of parameters without dimensions.
void shape_inputs(const models::Architecture& a, std::vector<Input>& inputs) {
  const auto number = [&](std::string_view column, double value) {
    if (value > 0) inputs.push_back({column, value, "", Basis::model, &kUsualShape});
  };
  number("layers", a.layers);
  number("hidden", a.hidden);
  number("heads", a.heads);
  number("kv_heads", a.kv_heads);
  number("ffn_hidden", a.ffn_hidden);
  number("experts", a.experts);
  number("experts_per_token", a.experts_per_token);
  number("expert_ffn_hidden", a.expert_ffn_hidden);
  number("vocab", a.vocab);
}

}  // namespace

bool of_memory(std::string_view column) {
  constexpr std::array<std::string_view, 15> kOfMemory = {"tp",
                                                          "pp",
                                                          "dp",
                                                          "cp",
                                                          "ep",
                                                          "interleave",
                                                          "sequence_parallel",
                                                          "sharding",
                                                          "micro_batch_seqs",
                                                          "recompute",
                                                          "offload",
                                                          "framework_family",
                                                          "weight_bytes",
                                                          "gradient_bytes",
                                                          "optimizer_bytes"};
  return std::find(kOfMemory.begin(), kOfMemory.end(), column) != kOfMemory.end();
}

std::vector<Step> explain(const Result& result, const Catalogue& catalogue) {
  return Proof{result, catalogue.fab()}.steps();
}

std::vector<Input> inputs_of(const Result& result) {
  const auto& s = result.scenario;
  const auto& e = result.estimate;
  std::vector<Input> inputs;
  const auto text = [&](std::string_view column, std::string_view value, Basis basis,
                        const Origin* origin) {
    if (!value.empty()) inputs.push_back({column, value, "", basis, origin});
  };
  const auto number = [&](std::string_view column, const Known<double>& value,
                          std::string_view unit, double scale = 1.0) {
    if (value) inputs.push_back({column, *value / scale, unit, value.basis, value.origin});
  };
  const auto quantity = [&](std::string_view column, const auto& value, auto unit,
                            std::string_view unit_name) {
    if (value) {
      inputs.push_back({column, (*value).in(unit), unit_name, value.basis, value.origin});
    }
  };
  const bool modeled = static_cast<bool>(e.rate.flops) || static_cast<bool>(e.work.compute);
  if (modeled) text("type", s.type, s.type_basis, nullptr);
  text("phase", s.phase, Basis::given, nullptr);
  if (s.architecture_origin != nullptr) {
    text("architecture", s.architecture_name, Basis::given, s.architecture_origin);
  }
  if (s.counted) {
    for (std::size_t i = 0; i < models::kFields; ++i) {
      const auto field = static_cast<models::Field>(i);
      const bool flag = field == models::Field::gated_ffn || field == models::Field::tie_embeddings;
      const auto& cell = s.spec.cells[i];
      if (!cell || (field == models::Field::context && cell.basis != Basis::given)) continue;
      if (flag) {
        inputs.push_back({models::info_of(field).name, *cell != 0 ? "true" : "false", "",
                          cell.basis, cell.origin});
      } else {
        number(models::info_of(field).name, cell, "");
      }
    }
  }
  if (e.fit.verdict && !s.counted) shape_inputs(s.architecture, inputs);
  number("trainable_params_b", s.trainable_params, "1e9", kBillion);
  number("teacher_params_b", s.teacher_params, "1e9", kBillion);
  number("params_b", s.total_params, "1e9", kBillion);
  number("active_params_b", s.active_params, "1e9", kBillion);
  number("tokens_b", e.duration.tokens, "1e9", kBillion);
  if (s.counted || s.seq_len || e.fit.verdict) number("seq_len", s.work_seq_len, "tokens");
  if (e.step.question && s.batch && !s.global_batch) {
    const double sequences = e.step.question->batch_tokens / *s.work_seq_len;
    number("global_batch_seqs", known(sequences, s.batch.basis, s.batch.origin), "sequences");
  } else {
    number("global_batch_seqs", e.rate.batch, "sequences");
  }
  if (s.device != nullptr) {
    text("device", s.device->id, Basis::given, &s.device->origin);
  } else {
    text("device", s.device_name, Basis::given, nullptr);
  }
  quantity("devices", e.duration.devices, device, "devices");
  if (e.fit.verdict) memory_inputs(result, inputs);
  if (modeled && s.peak) {
    text("dtype", s.dtype_name, s.dtype_basis, nullptr);
    quantity("peak_tflops", s.peak, kTeraflopsPerDevice, "TFLOP/s");
  }
  number("mfu", e.rate.mfu, "1");

  if (e.rate.flops) number("goodput", e.duration.goodput, "1");
  if (s.days) quantity("days", s.days, day, "days");
  if (s.booked) quantity("device_hours", s.booked, kHours, "h");
  quantity("device_tdp_w", s.tdp, kWattPerDevice, "W");
  quantity("system_power_w", e.power.node, kWattPerDevice, "W");
  if (e.energy.node) number("pue", s.pue, "1");
  if (s.region != nullptr) {
    text("region", s.region->region, Basis::given, &s.region->origin);
  } else {
    text("region", s.region_name, Basis::given, nullptr);
  }
  quantity("intensity_kg_per_kwh", e.carbon.intensity ? e.carbon.intensity : s.intensity,
           kKilogramPerKilowattHour, "kg/kWh");
  if (e.carbon.embodied) {
    const auto& c = e.carbon;
    if (c.die) {
      quantity("embodied_kg_die", c.die, kilogram / device, "kg");
      quantity("embodied_kg_server_chips", c.server_chips, kilogram, "kg");
    } else if (c.host != nullptr) {
      const bool guessed = c.card == nullptr;
      quantity("embodied_kg_card",
               known(guessed ? c.guessed.mid : c.card->mid, c.per_device.basis,
                     guessed ? c.per_device.origin : &c.card->origin),
               kilogram, "kg");
      quantity("embodied_kg_host_share",
               known(c.host->mid / *s.devices_per_node, Basis::fallback, &c.host->origin), kilogram,
               "kg");
    } else {
      quantity("embodied_kg_per_device", c.per_device, kilogram / device, "kg");
    }
    quantity("lifetime_years", s.lifetime, year, "years");
    number("utilization", s.utilization, "1");
  }
  return inputs;
}

}  // namespace pretrain::planner
