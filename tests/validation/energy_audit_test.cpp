#include "validation/energy_audit.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <sstream>

#include "planner/catalogue.hpp"
#include "planner/run_table.hpp"

namespace pretrain::validation {
namespace {

using planner::Key;

Case run(std::string id, std::vector<Measured> measured, std::string basis = "metered") {
  Case c;
  c.id = std::move(id);
  c.type = "dense";
  c.phase = "pretrain";
  c.quality = "core";
  c.energy_basis = std::move(basis);
  c.measured = std::move(measured);
  return c;
}

Measured of(Key key, double predicted, double reported, double low = 0, double high = 0) {
  Measured m;
  m.key = key;
  m.predicted = predicted;
  m.reported = reported;
  if (high > 0) {
    m.low = low;
    m.high = high;
  }
  return m;
}

const AuditedScore* find(const EnergyAudit& audit, EnergyPart part, std::string_view what) {
  for (const auto& score : audit.scores) {
    if (score.part == part && score.what == what) return &score;
  }
  return nullptr;
}

TEST(EnergyAudit, TimePowerAndTotalAreApart) {
  const std::vector<Case> blind{
      run("a", {of(Key::device_hours, 120, 100, 90, 150), of(Key::training_days, 12, 10),
                of(Key::node_energy_mwh, 90, 100, 80, 95), of(Key::facility_energy_mwh, 1, 2)})};
  const std::vector<Case> given{run("a", {of(Key::node_energy_mwh, 75, 100)}),
                                run("b", {of(Key::device_power_w, 110, 100, 90, 120)}, "reported")};
  const auto audit = audit_energy(blind, given, {{"b", "a proxy"}}, 0.9);
  ASSERT_EQ(audit.runs.size(), 2U);
  const auto& a = audit.runs[0];
  EXPECT_NEAR(a.time->delta(), 0.2, 1e-12) << "hours before days";
  EXPECT_EQ(a.time->held, true);
  EXPECT_NEAR(a.power->delta(), -0.25, 1e-12);
  EXPECT_FALSE(a.power->held);
  EXPECT_NEAR(a.total->delta(), -0.1, 1e-12) << "one total of a run";
  EXPECT_EQ(a.total->held, false);
  EXPECT_EQ(audit.runs[1].remark, "a proxy");
  EXPECT_EQ(find(audit, EnergyPart::power, "all")->summary.n, 2U);
  // What is no measurement does not judge the draw.
  EXPECT_EQ(find(audit, EnergyPart::power, "metered or measured")->summary.n, 1U);
  EXPECT_EQ(find(audit, EnergyPart::all, "metered or measured")->summary.n, 3U);
  EXPECT_EQ(find(audit, EnergyPart::total, "metered or measured, architecture known"), nullptr);
}

TEST(EnergyAudit, RemarksAreOfRunsThatShip) {
  const planner::Catalogue catalogue;
  const auto split = shipped_split();
  std::set<std::string> ids;
  for (const auto& [name, text] : shipped_cases()) {
    Cases cases{catalogue, split, {}};
    std::istringstream in{std::string{text}};
    planner::read_run_table(in, std::string{name}, 1, cases);
    for (const auto& c : cases.cases()) ids.insert(c.id);
    for (const auto& skipped : cases.skipped()) ids.insert(skipped.id);
  }
  const auto remarks = shipped_remarks();
  EXPECT_FALSE(remarks.empty());
  for (const auto& [id, remark] : remarks) {
    EXPECT_TRUE(ids.contains(id)) << id;
    EXPECT_FALSE(remark.empty()) << id;
  }
}

/// The day's figures with some slack: the promise of the README.
TEST(EnergyAudit, PowerAndHoursStayAsGoodAsTheyAre) {
  const planner::Catalogue catalogue;
  const auto split = shipped_split();
  const auto read = [&](planner::Taken taken) {
    planner::EstimateOptions options;
    options.taken = taken;
    Cases cases{catalogue, split, options};
    for (const auto& [name, text] : shipped_cases()) {
      if (name != "runs.csv") continue;
      std::istringstream in{std::string{text}};
      planner::read_run_table(in, std::string{name}, 1, cases);
    }
    return cases;
  };
  const auto blind = read(planner::Taken::nothing);
  const auto given = read(planner::Taken::hours);
  const auto audit = audit_energy(blind.cases(), given.cases(), shipped_remarks(), 0.9);
  const auto median = [&](EnergyPart part, std::string_view what) {
    const auto* score = find(audit, part, what);
    EXPECT_NE(score, nullptr) << what;
    return score != nullptr ? *score->summary.median_abs_error : 1;
  };
  EXPECT_LT(median(EnergyPart::time, "pretraining of decoders"), 0.17);
  EXPECT_LT(median(EnergyPart::power, "metered or measured"), 0.08);
  EXPECT_LT(median(EnergyPart::power, "of them: energy of nodes"), 0.06);
  EXPECT_LT(median(EnergyPart::total, "metered or measured, architecture known"), 0.25);
  // Intervals hold what they promise, as far as so few runs can tell.
  for (const auto& [part, what] :
       {std::pair{EnergyPart::time, "all"}, std::pair{EnergyPart::power, "metered or measured"},
        std::pair{EnergyPart::all, "metered or measured"}}) {
    const auto& s = find(audit, part, what)->summary;
    ASSERT_TRUE(s.coverage);
    const auto sure = wilson(*s.coverage, static_cast<double>(s.n));
    EXPECT_LE(sure.low, 0.9) << what;
    EXPECT_GE(sure.high, 0.9) << what;
  }
  // Every run that is off by more than 40% has its reason.
  for (const auto& one : audit.runs) {
    for (const auto* part : {&one.power, &one.total}) {
      if (!*part || std::abs((*part)->delta()) <= 0.4) continue;
      EXPECT_FALSE(one.remark.empty()) << one.id;
    }
  }
}

}  // namespace
}  // namespace pretrain::validation
