#include "cli/breakdown.hpp"

#include "planner/memory_fit.hpp"

namespace pretrain::cli {

using Json = nlohmann::ordered_json;
using models::FlopConvention;

std::array<std::pair<std::string_view, double>, 11> parameter_parts(const models::Parameters& p) {
  return {{{"embedding", p.embedding},
           {"positions", p.positions},
           {"attention", p.attention},
           {"state space", p.state_space},
           {"feed-forward", p.ffn},
           {"routed experts", p.routed_experts},
           {"latent projections", p.expert_latent},
           {"shared experts", p.shared_experts},
           {"router", p.router},
           {"norms", p.norms},
           {"head", p.head}}};
}

std::array<WorkPart, 11> work_parts(const models::TokenWork& w, FlopConvention convention) {
  const bool causal = convention == FlopConvention::model_causal;
  return {{{"projections", w.projections, true, true},
           {"attention core", causal ? w.attention_causal : w.attention_full, true, false, true},
           {"state space", w.state_space, true, false},
           {"feed-forward", w.ffn, true, true},
           {"routed experts", w.routed_experts, true, true},
           {"latent projections", w.expert_latent, true, true},
           {"shared experts", w.shared_experts, true, true},
           {"router", w.router, true, true},
           {"patches", w.embedding, false, true},
           {"logits", w.logits, false, true},
           {"multi-token prediction", w.mtp, false, true}}};
}

Json json_parameters(const models::Architecture& architecture) {
  const auto p = models::parameters(architecture);
  Json entry = Json::object();
  for (const auto& [name, count] : parameter_parts(p)) {
    if (count > 0) entry[std::string{name}] = count;
  }
  entry["total"] = p.total();
  entry["active"] = p.active();
  return entry;
}

Json json_token_work(const models::TokenWork& work, FlopConvention convention,
                     const models::TrainingMode& mode) {
  Json forward = Json::object();
  Json backward = Json::object();
  Json recomputed = Json::object();
  for (const auto& part : work_parts(work, convention)) {
    if (part.forward == 0) continue;
    const std::string name{part.name};
    forward[name] = part.forward;
    const bool once = mode.phase == models::Phase::frozen && part.weights;
    backward[name] = (once ? 1 : 2) * part.forward;
    if ((mode.recompute == models::Recompute::full && part.in_blocks) ||
        (mode.recompute == models::Recompute::selective && part.core)) {
      recomputed[name] = part.forward;
    }
  }
  Json entry{{"forward", std::move(forward)}, {"backward", std::move(backward)}};
  if (!recomputed.empty()) entry["recomputed"] = std::move(recomputed);
  if (mode.phase == models::Phase::frozen && mode.trainable_params > 0) {
    entry["weight gradients of what is trained"] = 2 * mode.trainable_params;
  }
  if (mode.phase == models::Phase::distill) entry["teacher forward"] = 2 * mode.teacher_params;
  return entry;
}

Json json_conventions(const models::TokenWork& work, double active_params,
                      const models::TrainingMode& mode, double tokens) {
  Json entry = Json::object();
  entry[std::string{name_of(FlopConvention::six_nd)}] =
      tokens * models::training_flop_per_token(active_params, mode);
  for (const auto convention :
       {FlopConvention::model_causal, FlopConvention::model_full, FlopConvention::hardware}) {
    entry[std::string{name_of(convention)}] =
        tokens * models::training_flop_per_token(work, convention, mode);
  }
  return entry;
}

Json json_memory(const planner::StatedPlan& stated, bool recompute_stated,
                 const planner::Fit& fit) {
  const auto& v = *fit.verdict;
  const auto& m = v.memory;
  const auto& p = v.plan;
  const auto gib = [](Bytes bytes) { return bytes.in(gibibyte); };
  Json chosen = Json::array();
  const auto chose = [&](bool it_was, std::string_view what) {
    if (it_was) chosen.push_back(what);
  };
  chose(fit.chose_plan, "degrees");
  chose(v.chose_sharding, "sharding");
  chose(v.chose_recompute || (fit.chose_plan && !recompute_stated), "recompute");
  chose(v.chose_micro_batch, "micro_batch_seqs");
  chose(p.tp > 1 && !stated.sequence_parallel, "sequence_parallel");
  chose(p.ep > 1 && !stated.ep, "ep");
  chose(p.interleave > 1 && !stated.interleave, "interleave");
  chose(v.chose_state, "state");
  Json plan{{"tp", p.tp},
            {"pp", p.pp},
            {"dp", p.dp},
            {"cp", p.cp},
            {"ep", p.ep},
            {"interleave", p.interleave},
            {"sequence_parallel", p.sequence_parallel},
            {"sharding", planner::name_of(p.sharding)},
            {"micro_batch_seqs", v.recipe.micro_batch},
            {"recompute", planner::name_of(v.recipe.recompute)}};
  if (!chosen.empty()) plan["chosen"] = std::move(chosen);
  return {{"weights", gib(m.weights)},
          {"gradients", gib(m.gradients)},
          {"optimizer", gib(m.optimizer)},
          {"activations", gib(m.activations)},
          {"logits", gib(m.logits)},
          {"buffers", gib(m.buffers)},
          {"allocated", gib(m.allocated())},
          {"reserve", gib(m.reserve)},
          {"device_reports", gib(m.total())},
          {"stage", m.stage},
          {"capacity", gib(v.capacity)},
          {"headroom", gib(v.capacity - m.allocated())},
          {"fits", v.fits},
          {"tight", v.tight},
          {"plan", std::move(plan)}};
}

Json json_step(const planner::StepStage& step) {
  Json entry = Json::object();
  for (const auto& part : models::kStepParts) {
    const Time time = step.time.*part.part;
    if (time != Time{}) entry[std::string{part.name}] = time.in(second);
  }
  entry["total"] = step.time.total().in(second);
  const auto& q = *step.question;
  entry["per_device"] = {{"tokens", q.batch_tokens / q.devices},
                         {"micro_batches", q.schedule.micro_batches}};
  return entry;
}

Json json_breakdown(const planner::Result& result) {
  const auto& s = result.scenario;
  const auto& e = result.estimate;
  Json breakdown = Json::object();
  if (s.counted && s.work_seq_len && s.active_params) {
    breakdown["flop_convention"] = name_of(s.convention);
    breakdown["parameters"] = json_parameters(s.architecture);
    const auto shown =
        s.convention == FlopConvention::six_nd ? FlopConvention::model_causal : s.convention;
    breakdown["flop_per_token"] = json_token_work(e.work.token, shown, s.mode);
    breakdown["training_flop_per_token"] =
        json_conventions(e.work.token, *s.active_params, s.mode, 1);
    if (e.duration.tokens) {
      breakdown["training_flops"] =
          json_conventions(e.work.token, *s.active_params, s.mode, *e.duration.tokens);
    }
  }
  if (e.step.question) breakdown["step_time_s"] = json_step(e.step);
  if (const auto& g = e.duration.shares) {
    breakdown["booked_time"] = {{"useful", g->useful},
                                {"checkpoints", g->checkpoints},
                                {"rework", g->rework},
                                {"restarts", g->restarts},
                                {"other", g->other}};
  }
  if (e.fit.verdict)
    breakdown["memory_gib_per_device"] =
        json_memory(s.plan, s.recompute_basis == Basis::given, e.fit);
  return breakdown;
}

}  // namespace pretrain::cli
