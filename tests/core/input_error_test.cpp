#include "models/core/input_error.hpp"

#include <gtest/gtest.h>

namespace pretrain {
namespace {

TEST(InputError, ReadsLikeACompilerDiagnostic) {
  const Problem problem{{"runs.csv", 7, 24}, "'400W' is not a number", "use digits"};
  EXPECT_EQ(to_text(problem), "runs.csv:7:24: error: '400W' is not a number\n  help: use digits");
}

TEST(InputError, LeavesOutThePlaceThatIsNotKnown) {
  EXPECT_EQ(to_text({{"runs.csv", 7, 0}, "x", ""}), "runs.csv:7: error: x");
  EXPECT_EQ(to_text({{"runs.csv", 0, 0}, "x", ""}), "runs.csv: error: x");
  EXPECT_EQ(to_text({{"runs.csv", 0, 5}, "x", ""}), "runs.csv: error: x");
  EXPECT_EQ(to_text({{"", 0, 0}, "x", "y"}), "error: x\n  help: y");
}

TEST(InputError, TellsAllItsProblemsInOrder) {
  const InputError error{
      {Problem{{"a.csv", 1, 2}, "first", "do this"}, Problem{{"a.csv", 3, 4}, "second", ""}}};
  EXPECT_STREQ(error.what(), "a.csv:1:2: error: first\n  help: do this\na.csv:3:4: error: second");
  ASSERT_EQ(error.problems().size(), 2U);
  EXPECT_EQ(error.problems()[1].where.line, 3U);
}

TEST(InputError, CarriesOneProblem) {
  const InputError error{{"a.csv", 1, 2}, "first", "do this"};
  ASSERT_EQ(error.problems().size(), 1U);
  EXPECT_EQ(error.what(), to_text(error.problems().front()));
}

}  // namespace
}  // namespace pretrain
