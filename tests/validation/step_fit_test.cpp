#include "validation/step_fit.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

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

std::string head_of(const std::string& text) {
  std::istringstream in{text};
  std::string head;
  for (std::string line; std::getline(in, line) && line.starts_with('#');) head += line + '\n';
  return head;
}

/// Files with numbers that a compiler may round in another way in the last place.
void expect_same(const std::string& shipped, const std::string& made, const std::string& name) {
  std::istringstream a{shipped};
  std::istringstream b{made};
  std::string left;
  std::string right;
  std::size_t different = 0;
  while (std::getline(a, left) && std::getline(b, right)) {
    if (left != right && ++different <= 3) {
      ADD_FAILURE() << name << ":\n" << left << "\n" << right << "\n`./dev fit --write` stores it";
    }
  }
  EXPECT_EQ(different, 0U);
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
  const auto constants = text_of_file("models/data/step_constants.csv");
  expect_same(constants, report.constants.text(head_of(constants)), "step_constants.csv");
  const auto spread = text_of_file("models/data/step_spread.csv");
  expect_same(spread, spread_text(report, head_of(spread)), "step_spread.csv");
}

}  // namespace
}  // namespace pretrain::validation
