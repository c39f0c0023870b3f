#include "models/step_constants.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "models/core/embedded.hpp"
#include "models/registers.hpp"
#include "tests/support.hpp"

namespace pretrain::models {
namespace {

const std::string kFile = "step_constants.csv";

std::string shipped_text() { return std::string{shipped(embedded_files(), kFile)}; }

StepConstantTable read(const std::string& text) {
  return StepConstantTable::read(text, "mine.csv");
}

/// The comment lines before the table.
std::string head_of(const std::string& text) {
  std::size_t at = 0;
  while (at < text.size() && text[at] == '#') at = text.find('\n', at) + 1;
  return text.substr(0, at);
}

/// The shipped file, one string of it replaced.
std::string with(const std::string& from, const std::string& to) {
  auto text = shipped_text();
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

/// The line, counted from 1, in which the row of a constant stands.
std::string line_of(const std::string& name) {
  const auto text = shipped_text();
  const auto at = text.find("\n" + name + ",");
  EXPECT_NE(at, std::string::npos) << name;
  return std::to_string(
      std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n') + 2);
}

TEST(StepConstants, ShippedTableIsValid) {
  const auto table = read(shipped_text());
  ASSERT_EQ(table.rows.size(), kStepConstants);
  for (std::size_t i = 0; i < kStepConstants; ++i) {
    const auto& row = table.rows[i];
    EXPECT_EQ(row.name, kStepConstantMembers[i].name);
    EXPECT_FALSE(row.meaning.empty()) << row.name;
    EXPECT_GT(row.prior, 0) << row.name;
    EXPECT_GT(row.prior_sd, 0) << row.name;
    EXPECT_GT(row.value, 0) << row.name;
    EXPECT_TRUE(std::isfinite(row.value)) << row.name;
    EXPECT_EQ(row.correlations.size(), i) << row.name;
  }
}

TEST(StepConstants, MembersTakeTheirOwnRows) {
  const auto table = read(shipped_text());
  const auto values = table.values();
  const auto priors = table.priors();
  for (std::size_t i = 0; i < kStepConstants; ++i) {
    EXPECT_EQ(values.*kStepConstantMembers[i].member, table.rows[i].value);
    EXPECT_EQ(priors.*kStepConstantMembers[i].member, table.rows[i].prior);
  }
  EXPECT_EQ(values.ceiling, table.rows.front().value);
  EXPECT_EQ(values.cluster, table.rows.back().value);
}

TEST(StepConstants, EverySourceIsRegistered) {
  const auto sources =
      SourceRegister::read(shipped(embedded_files(), "sources.csv"), "sources.csv");
  for (const auto& row : read(shipped_text()).rows) {
    EXPECT_FALSE(row.source.empty()) << row.name;
    EXPECT_FALSE(row.locator.empty()) << row.name;
    for (const auto key : keys_of(row.source)) {
      if (key == "argument") continue;
      EXPECT_NE(sources.find(key), nullptr) << row.name << " cites " << key;
    }
    EXPECT_FALSE(row.checked && row.source == "argument") << row.name << ": nothing to read";
  }
}

// Measured runs can only add to what was known.
TEST(StepConstants, TheFitIsNoLessCertainThanThePrior) {
  for (const auto& row : read(shipped_text()).rows) {
    EXPECT_LE(row.sd, row.prior_sd * 1.02) << row.name;
    EXPECT_LT(std::abs(std::log(row.value / row.prior)), 4 * row.prior_sd) << row.name;
    if (row.moved) {
      EXPECT_LT(row.sd, row.prior_sd) << row.name;
      EXPECT_FALSE(row.informed_by.empty()) << row.name;
    }
  }
}

TEST(StepConstants, TextIsWhatWasRead) {
  const auto text = shipped_text();
  EXPECT_EQ(read(text).text(head_of(text)), text);
}

TEST(StepConstants, CommasAndQuotesSurvive) {
  auto table = read(shipped_text());
  table.rows[0].meaning = R"(share, "so to speak")";
  const auto again = read(table.text(""));
  EXPECT_EQ(again.rows[0].meaning, table.rows[0].meaning);
  EXPECT_EQ(again.rows[1].meaning, table.rows[1].meaning);
}

TEST(StepConstants, WrongOrderIsAnError) {
  const auto at = "mine.csv:" + line_of("ceiling");
  EXPECT_EQ(diagnostic_of([] { read(with("\nceiling,", "\npower_limit,")); }),
            at + ":1: error: constant 'power_limit' where 'ceiling' is expected\n"
                 "  help: the rows are those of the file that ships with the program, in its "
                 "order");
}

TEST(StepConstants, MissingRowsAreErrors) {
  // In the middle the next one stands in its place.
  auto text = shipped_text();
  const auto begin = text.find("\npower_share,");
  text.erase(begin, text.find('\n', begin + 1) - begin);
  EXPECT_EQ(problem_of([&] { read(text); }).what,
            "constant 'power_limit_tpu' where 'power_share' is expected");

  // At the end there is none.
  text = shipped_text();
  text.erase(text.find("\nas_run,") + 1);
  const auto problem = problem_of([&] { read(text); });
  EXPECT_EQ(problem.what, "constant 'as_run' is missing");
  EXPECT_EQ(std::to_string(problem.where.line), line_of("year"));
}

TEST(StepConstants, AnotherConstantIsUnknown) {
  auto text = shipped_text();
  const auto last = text.rfind("\nas_run,");
  text += "gravity" + text.substr(last + 1 + std::string{"as_run"}.size());
  const auto problem = problem_of([&] { read(text); });
  EXPECT_EQ(problem.what, "constant 'gravity' is unknown");
  EXPECT_EQ(problem.where.column, 1U);
}

TEST(StepConstants, NumbersAreCheckedWhereTheyStand) {
  const auto row = [](const std::string& name) {
    const auto text = shipped_text();
    const auto at = text.find("\n" + name + ",");
    return text.substr(at + 1, text.find('\n', at + 1) - at - 1);
  };
  const auto volta = row("volta");  // volta,generation: ceiling times,,1,0.08,...
  const std::string before = "volta,generation: ceiling times,,";
  ASSERT_EQ(volta.substr(0, before.size() + 2), before + "1,");
  const auto rest = volta.substr(before.size() + 1);
  const auto place =
      "mine.csv:" + line_of("volta") + ":" + std::to_string(before.size() + 1) + ": error: ";

  const auto said = [&](const std::string& prior) {
    return diagnostic_of([&] { read(with(volta, before + prior + rest)); });
  };
  EXPECT_EQ(said("one").substr(0, place.size()), place);
  EXPECT_NE(said("one").find("'one'"), std::string::npos) << said("one");
  EXPECT_EQ(said("0").substr(0, said("0").find('\n')),
            place + "prior 0 lies outside 1e-09 to 1000000000");
  EXPECT_EQ(said("-1").substr(0, place.size()), place);
  EXPECT_EQ(said("nan").substr(0, place.size()), place);
  EXPECT_EQ(said("").substr(0, said("").find('\n')), place + "'prior' is blank");
}

TEST(StepConstants, CorrelationsLieBetweenMinusOneAndOne) {
  const auto text = shipped_text();
  const auto at = text.find("\npower_limit,");
  const auto line = text.substr(at + 1, text.find('\n', at + 1) - at - 1);
  const auto cell = line.substr(line.rfind(',') + 1);
  for (const std::string wrong : {"1.5", "-2", "much"}) {
    const auto changed = line.substr(0, line.size() - cell.size()) + wrong;
    const auto problem = problem_of([&] { read(with(line, changed)); });
    EXPECT_EQ(problem.what, "'" + wrong + "' is not a correlation");
    EXPECT_EQ(std::to_string(problem.where.line), line_of("power_limit"));
    EXPECT_EQ(problem.where.column, line.rfind(',') + 2);
  }
}

TEST(StepConstants, CheckedIsReadOrUnverified) {
  const auto text = shipped_text();
  const auto at = text.find(",read,");
  auto changed = text;
  changed.replace(at, 6, ",seen,");
  EXPECT_NE(problem_of([&] { read(changed); }).what.find("'seen'"), std::string::npos);
}

TEST(StepConstants, NoRowsAreAnError) {
  const auto text = shipped_text();
  const auto begin = head_of(text).size();
  const auto header = text.substr(begin, text.find('\n', begin) + 1 - begin);
  EXPECT_EQ(problem_of([&] { read(header); }).what, "no constants");
}

}  // namespace
}  // namespace pretrain::models
