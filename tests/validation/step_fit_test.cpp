#include "validation/step_fit.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "models/step_spread.hpp"
#include "tests/planner/rows.hpp"
#include "validation/evaluation.hpp"
#include "validation/step_report.hpp"

namespace pretrain::validation {
namespace {

using planner::OneRun;

/// Steps of several models and plans on two devices.
std::vector<planner::StepQuestion> questions() {
  std::vector<planner::StepQuestion> all;
  for (const char* model : {"llama-2-7b", "llama-3.1-70b", "gpt3-175b"}) {
    for (const char* device : {"a100-sxm-80", "h100-sxm"}) {
      for (const char* plan : {"8,1,1", "8,4,1", "4,8,2", "8,8,2"}) {
        const OneRun run{
            std::string{"architecture,device,devices,tokens_b,seq_len,global_batch_seqs,"
                        "framework_family,recompute,tp,pp,micro_batch_seqs\n"} +
            model + "," + device + ",128,100,4096,512,megatron,full," + plan + "\n"};
        if (run.result().estimate.step.question) {
          all.push_back(*run.result().estimate.step.question);
        }
      }
    }
  }
  return all;
}

/// What would be measured if the constants were these.
std::vector<StepLesson> lessons_of(const models::StepConstants& truth) {
  std::vector<StepLesson> lessons;
  for (const auto& question : questions()) {
    lessons.push_back({question, predicted_seconds(question, truth), 1, 0.05, lessons.size() % 5});
  }
  return lessons;
}

std::size_t index_of(const models::StepConstantTable& table, std::string_view name) {
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    if (table.rows[i].name == name) return i;
  }
  ADD_FAILURE() << name;
  return 0;
}

TEST(StepFit, FindsTheConstantsThatWereMeasured) {
  const auto& priors = planner::shipped_catalogue().step_constant_table();
  Standardized truth(priors.rows.size(), 0);
  truth[index_of(priors, "ceiling")] = -1;
  truth[index_of(priors, "tp_exposed")] = 1;
  const auto lessons = lessons_of(constants_at(priors, truth));
  ASSERT_GE(lessons.size(), 12U);
  StepFitter fitter{lessons, priors};
  const auto found = constants_at(priors, fitter.fit().constants);
  const auto prior = constants_at(priors, Standardized(priors.rows.size(), 0));
  double before = 0;
  double after = 0;
  for (const auto& lesson : lessons) {
    before += std::abs(std::log(predicted_seconds(lesson.question, prior) / lesson.seconds));
    after += std::abs(std::log(predicted_seconds(lesson.question, found) / lesson.seconds));
  }
  EXPECT_LT(after, 0.25 * before);
}

TEST(StepFit, OneWrongRunDoesNotPullTheRest) {
  const auto& priors = planner::shipped_catalogue().step_constant_table();
  const Standardized truth(priors.rows.size(), 0);
  auto lessons = lessons_of(constants_at(priors, truth));
  lessons[3].seconds *= 3;
  StepFitter fitter{lessons, priors};
  const auto found = constants_at(priors, fitter.fit().constants);
  for (std::size_t i = 0; i < lessons.size(); ++i) {
    if (i == 3) continue;
    const auto& lesson = lessons[i];
    EXPECT_NEAR(predicted_seconds(lesson.question, found) / lesson.seconds, 1, 0.05) << i;
  }
}

TEST(StepFit, WhatIsHeldOutTeachesNothing) {
  const auto& priors = planner::shipped_catalogue().step_constant_table();
  auto lessons = lessons_of(constants_at(priors, Standardized(priors.rows.size(), 0)));
  std::vector<bool> held(lessons.size(), false);
  for (std::size_t i = 0; i < lessons.size(); i += 2) held[i] = true;
  StepFitter clean{lessons, priors};
  clean.fit();
  const auto expected = constants_at(priors, clean.without(held).constants);
  for (std::size_t i = 0; i < lessons.size(); i += 2) lessons[i].seconds *= 1.3;
  StepFitter spoiled{lessons, priors};
  spoiled.fit();
  const auto found = constants_at(priors, spoiled.without(held).constants);
  for (const auto& lesson : lessons) {
    EXPECT_NEAR(predicted_seconds(lesson.question, found),
                predicted_seconds(lesson.question, expected), 0.01 * lesson.seconds);
  }
}

std::string text_of_file(const std::string& path) {
  std::ifstream in{std::string{PRETRAIN_SOURCE_DIR} + "/" + path};
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

TEST(StepFit, ShippedConstantsAreThoseOfTheFit) {
  const auto& catalogue = planner::shipped_catalogue();
  const auto split = shipped_split();
  const auto cases = [&](planner::PlanMode mode) {
    planner::EstimateOptions options;
    options.plan = mode;
    Cases all{catalogue, split, options};
    for (const auto& [name, text] : shipped_cases()) {
      all.begin_table(std::string{name.substr(0, name.find('.'))});
      std::istringstream in{std::string{text}};
      planner::read_run_table(in, std::string{name}, 1, all);
    }
    return all;
  };
  const auto report =
      fit_report(cases(planner::PlanMode::stated).cases(), cases(planner::PlanMode::usual).cases(),
                 catalogue.step_constant_table());
  // Another processor rounds in another way in the last places.
  constexpr double kSame = 0.02;  // of a standard deviation
  const auto stored = models::StepConstantTable::read(
      text_of_file("models/data/step_constants.csv"), "step_constants.csv");
  ASSERT_EQ(stored.rows.size(), report.constants.rows.size());
  for (std::size_t i = 0; i < stored.rows.size(); ++i) {
    const auto& shipped = stored.rows[i];
    const auto& made = report.constants.rows[i];
    EXPECT_EQ(shipped.name, made.name);
    EXPECT_NEAR(std::log(shipped.value / made.value), 0, kSame * made.sd)
        << made.name << ": `./dev fit --write` stores it";
    EXPECT_NEAR(shipped.sd, made.sd, kSame * made.sd) << made.name;
  }
  const auto spread =
      models::StepSpread::read(text_of_file("models/data/step_spread.csv"), "step_spread.csv");
  const auto same = [](double width, const FitReport::Spread& made) {
    EXPECT_NEAR(width, made.half_width, kSame * made.half_width) << "`./dev fit --write` stores it";
  };
  for (std::size_t i = 0; i < models::kRunClasses; ++i) {
    same(spread.of_class[i], report.of_class[i]);
  }
  same(spread.unseen_generation, report.unseen_generation);
  same(spread.chosen_plan, report.chosen_plan);
}

TEST(StepFit, ShippedReachIsThatOfTheMeasuredRuns) {
  const auto split = shipped_split();
  Cases all{planner::shipped_catalogue(), split, {}};
  for (const auto& [name, text] : shipped_cases()) {
    all.begin_table(std::string{name.substr(0, name.find('.'))});
    std::istringstream in{std::string{text}};
    planner::read_run_table(in, std::string{name}, 1, all);
  }
  const auto text = text_of_file("models/data/step_reach.csv");
  const auto head = text.substr(0, text.find("runs,quantity"));
  EXPECT_EQ(text, reach_text(measured_reach(all.cases()), head)) << "`./dev fit --write` stores it";
}

}  // namespace
}  // namespace pretrain::validation
