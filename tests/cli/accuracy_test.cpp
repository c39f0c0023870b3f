// How good the predictions are may not slip unseen: bounds just above what `validate` measures.
#include <string>
#include <vector>

#include "tests/cli/program.hpp"

namespace pretrain::cli {
namespace {

struct Bound {
  const char* what;  ///< as --fail-above takes it
  double today;      ///< measured
};

/// Above the figure of the day by so much: what another compiler or a new row may move.
constexpr double kSlack = 1.05;

void expect_within(const std::vector<std::string>& words, const std::vector<Bound>& bounds) {
  for (const double slack : {kSlack, 0.5}) {
    std::vector<std::string> command{"validate"};
    command.insert(command.end(), words.begin(), words.end());
    for (const auto& [what, today] : bounds) {
      const std::string text = what;
      const auto at = text.find('@');
      command.push_back("--fail-above");
      command.push_back(text.substr(0, at) + "=" + std::to_string(slack * today) + text.substr(at));
    }
    const auto ran = Program{}.run(command);
    // Half of it must be refused, or the bound says nothing.
    EXPECT_EQ(ran.status, slack > 1 ? 0 : 1) << ran.err;
  }
}

TEST(Accuracy, OfAnotherModelOrDevice) {
  expect_within({"--split", "grouped"}, {{"median@class=dense_gpu", 0.063},
                                         {"median@class=dense_tpu", 0.047},
                                         {"median@class=moe", 0.145},
                                         {"median@class=other", 0.107},
                                         {"median@class=plan_sweep", 0.055}});
}

TEST(Accuracy, OfAnotherSource) {
  expect_within({"--split", "leave-source-out"}, {{"median@class=dense_gpu", 0.087},
                                                  {"median@class=dense_tpu", 0.046},
                                                  {"median@class=moe", 0.167},
                                                  {"median@class=other", 0.110}});
}

TEST(Accuracy, OfAnUnknownPlan) {
  expect_within({"--plan", "usual"}, {{"median@class=dense_gpu", 0.082}});
}

}  // namespace
}  // namespace pretrain::cli
