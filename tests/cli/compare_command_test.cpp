#include <fmt/format.h>

#include <cmath>
#include <map>
#include <set>

#include "tests/cli/json_schema.hpp"
#include "tests/cli/program.hpp"

namespace pretrain::cli {
namespace {

const std::vector<std::string> kTyped{"compare",   "--params",    "30B,100B", "--device", "A100",
                                      "--devices", "1024,2048",   "--days",   "30,60",    "--pue",
                                      "1.15",      "--intensity", "0.35"};

std::vector<std::string> typed(std::vector<std::string> more) {
  more.insert(more.begin(), kTyped.begin(), kTyped.end());
  return more;
}

void expect_near(double value, double wanted) {
  EXPECT_NEAR(value, wanted, 1e-12 * std::abs(wanted));
}

TEST(CompareCommand, EnergyAndCarbonFollowFromTheInputs) {
  const Program planner;
  const auto ran = planner.run(typed({"--format", "json"}));
  EXPECT_EQ(ran.status, 0) << ran.err;
  const auto document = ran.json();
  const JsonSchema contract{Json::parse(file_text(source("tests/estimate.schema.json")))};
  for (const auto& fault : contract.faults(document)) ADD_FAILURE() << fault;
  const auto& runs = document["runs"];
  ASSERT_EQ(runs.size(), 2U);
  const double kDevices[] = {1024, 2048};
  const double kDays[] = {30, 60};
  const double kParams[] = {30e9, 100e9};
  for (std::size_t i = 0; i < 2; ++i) {
    const auto in = [&](const char* column) {
      return runs[i]["inputs"][column]["value"].get<double>();
    };
    const auto out = [&](const char* key) {
      return runs[i]["predicted"][key]["value"].get<double>();
    };
    EXPECT_EQ(in("devices"), kDevices[i]);
    EXPECT_EQ(in("days"), kDays[i]);
    EXPECT_EQ(in("params_b") * 1e9, kParams[i]);
    EXPECT_EQ(in("pue"), 1.15);
    EXPECT_EQ(in("intensity_kg_per_kwh"), 0.35);
    EXPECT_EQ(runs[i]["inputs"]["tokens_b"]["basis"], "model");
    const double hours = kDevices[i] * kDays[i] * 24;
    expect_near(out("device_hours"), hours);
    expect_near(out("node_energy_mwh"), in("system_power_w") * hours / 1e6);
    expect_near(out("facility_energy_mwh"), in("system_power_w") * hours / 1e6 * 1.15);
    expect_near(out("operational_tco2e"), in("system_power_w") * hours / 1e6 * 1.15 * 0.35);
    expect_near(in("tokens_b") * 1e9, in("goodput") * in("mfu") * in("peak_tflops") * 1e12 * hours *
                                          3600 / (6 * kParams[i]));
    expect_near(out("training_flops"), 6 * kParams[i] * in("tokens_b") * 1e9);
  }
  const auto& ratios = document["compared_to_first"];
  ASSERT_EQ(ratios.size(), 1U);
  EXPECT_EQ(ratios[0]["name"], runs[1]["name"]);
  for (const char* key :
       {"training_flops", "facility_energy_mwh", "operational_tco2e", "embodied_tco2e"}) {
    expect_near(ratios[0]["ratios"][key].get<double>(),
                runs[1]["predicted"][key]["value"].get<double>() /
                    runs[0]["predicted"][key]["value"].get<double>());
  }
  // Four times the device hours; each model keeps its devices as busy as it does.
  EXPECT_NEAR(ratios[0]["ratios"]["facility_energy_mwh"].get<double>(), 4, 0.3);
  expect_near(ratios[0]["ratios"]["tokens"].get<double>(),
              runs[1]["inputs"]["tokens_b"]["value"].get<double>() /
                  runs[0]["inputs"]["tokens_b"]["value"].get<double>());
}

TEST(CompareCommand, FileAndTypedCandidatesAreOne) {
  const Program planner;
  planner.write("c.csv",
                "name,params_b,device,devices,days,pue,intensity_kg_per_kwh\n"
                "small,30,A100,1024,30,1.15,0.35\nlarge,100B,A100,2048,60d,1.15,0.35\n");
  const auto file = planner({"compare", "c.csv", "--plan", "best", "--format", "json"}).json();
  const auto words = planner.run(typed({"--format", "json"})).json();
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(file["runs"][i]["predicted"], words["runs"][i]["predicted"]);
    EXPECT_EQ(file["runs"][i]["inputs"], words["runs"][i]["inputs"]);
  }
  EXPECT_EQ(file["runs"][0]["name"], "small");
  EXPECT_EQ(file["compared_to_first"][0]["ratios"], words["compared_to_first"][0]["ratios"]);
  // Counts in all the ways that people type them.
  for (const char* params : {"30e9,100e9", "30000000000,0.1T", "30000M,100B"}) {
    auto arguments = typed({"--format", "json"});
    arguments[2] = params;
    EXPECT_EQ(planner.run(arguments).json()["runs"][1]["predicted"], words["runs"][1]["predicted"])
        << params;
  }
  // Estimate and compare say the same about a run.
  EXPECT_EQ(planner({"estimate", "c.csv", "--format", "json"}).json()["runs"],
            planner({"compare", "c.csv", "--format", "json"}).json()["runs"]);
}

TEST(CompareCommand, FormatsForPeopleAndSheets) {
  const Program planner;
  const auto table = planner.run(kTyped);
  EXPECT_EQ(table.status, 0);
  EXPECT_CONTAINS(table.out, "30B 1024 devices");
  EXPECT_CONTAINS(table.out, "100B 2048 devices");
  EXPECT_CONTAINS(table.out, "facility_energy_mwh [MWh]");
  EXPECT_CONTAINS(table.out, "x4");
  EXPECT_CONTAINS(table.out, "--details tells what was filled in");
  EXPECT_CONTAINS(planner.run(typed({"--details"})).out, "Filled in");
  EXPECT_FALSE(contains(table.out, "\x1b"));
  const CsvAnswer csv{planner.run(typed({"--format", "csv"})).out};
  const auto json = planner.run(typed({"--format", "json"})).json()["runs"];
  ASSERT_EQ(csv.rows.size(), json.size());
  for (std::size_t i = 0; i < csv.rows.size(); ++i) {
    EXPECT_EQ(csv.rows[i].at("name"), json[i]["name"]);
    EXPECT_EQ(std::stod(csv.rows[i].at("operational_tco2e")),
              json[i]["predicted"]["operational_tco2e"]["value"].get<double>());
  }
  EXPECT_CONTAINS(planner.run(typed({"--format", "markdown"})).out,
                  "| total_params | 30B | 100B | x3.33 |");
  const auto jsonl = planner.run(typed({"--format", "jsonl"}));
  EXPECT_EQ(jsonl.status, 2);
  EXPECT_CONTAINS(jsonl.err, "use --format json");
  EXPECT_EQ(planner.run(typed({"-o", "out.txt"})).out, "");
  EXPECT_EQ(file_text(planner.path("out.txt")), table.out);
}

TEST(CompareCommand, WrongCandidatesAreRefused) {
  const Program planner;
  const auto refused = [&](const std::vector<std::string>& arguments, const std::string& part) {
    const auto ran = planner.run(arguments);
    EXPECT_EQ(ran.status, 2) << ran.err;
    EXPECT_EQ(ran.out, "") << part;
    EXPECT_CONTAINS(ran.err, part);
    EXPECT_CONTAINS(ran.err, "\n  help: ");
  };
  refused({"compare", "--params", "30B,100B", "--tokens", "1T,2T,3T", "--device", "A100"},
          "--params: error: 2 values, where another option has 3");
  refused({"compare", "--params", "30", "--device", "A100"}, "--params: error: 30 is very few");
  refused({"compare", "--params", "30X", "--device", "A100"}, "--params: error: '30X'");
  refused({"compare", "--params", "30B", "--device", "A100", "--pue", "0.9"},
          "pue 0.9 is too small");
  refused({"compare"}, "nothing to compare");
  const auto unknown = planner({"compare", "--params", "30B,100B", "--device", "A100,A1000"});
  EXPECT_EQ(unknown.status, 2);
  EXPECT_CONTAINS(unknown.err, "unknown device 'A1000'");
}

std::vector<std::string> sized(std::vector<std::string> more) {
  std::vector<std::string> words{"compare",  "--device", "H100",     "--devices", "1024",
                                 "--region", "FR",       "--format", "json"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST(CompareCommand, LossFollowsTheLawThatIsNamed) {
  const Program planner;
  const auto loss = [&](std::vector<std::string> more, std::size_t i = 0) {
    more.insert(more.begin(), {"--params", "70e9,7e9", "--tokens", "1.4e12,140e9"});
    return planner.run(sized(more)).json()["candidates"][i]["expected_loss"].get<double>();
  };
  EXPECT_NEAR(loss({}),
              1.8172 + 482.01 / std::pow(70e9, 0.3478) + 2085.43 / std::pow(1.4e12, 0.3658), 1e-9);
  EXPECT_NEAR(loss({"--law", "hoffmann-2022"}),
              1.6934 + 406.4 / std::pow(70e9, 0.3392) + 410.7 / std::pow(1.4e12, 0.2849), 1e-9);
  EXPECT_GT(loss({}, 1), loss({}));
  const auto unknown = planner.run(sized({"--params", "7e9", "--tokens", "1e12", "--law", "x"}));
  EXPECT_EQ(unknown.status, 2);
  EXPECT_CONTAINS(unknown.err,
                  "there are 'besiroglu-2024', 'hoffmann-2022' and 'ludziejewski-2025'");
  // A mixture is compared by the law that knows experts, and so is what stands beside it.
  const auto mixed =
      planner
          .run(sized({"--params", "47e9,13e9", "--active-params", "13e9,13e9", "--tokens", "1e12"}))
          .json();
  EXPECT_EQ(mixed["scaling_law"]["id"], "ludziejewski-2025");
  EXPECT_LT(mixed["candidates"][0]["expected_loss"], mixed["candidates"][1]["expected_loss"]);
}

TEST(CompareCommand, SizesAreSolvedFor) {
  const Program planner;
  // The first is the best for the work.
  const auto work = planner.run(sized({"--compute", "1e24"})).json();
  ASSERT_EQ(work["candidates"].size(), 5U);
  for (const std::size_t i : {1U, 2U, 3U, 4U}) {
    EXPECT_GT(work["candidates"][i]["expected_loss"], work["candidates"][0]["expected_loss"]);
  }
  for (const auto& run : work["runs"]) {
    EXPECT_NEAR(run["predicted"]["training_flops"]["value"].get<double>() / 1e24, 1, 0.02);
  }
  EXPECT_CONTAINS(work["solved"].get<std::string>(), "The least loss for 1e24 FLOP");
  // All reach the loss that is asked for; the middle one with the least work.
  const auto loss = planner.run(sized({"--loss", "2"})).json();
  for (std::size_t i = 0; i < loss["candidates"].size(); ++i) {
    EXPECT_NEAR(loss["candidates"][i]["expected_loss"].get<double>(), 2, 1e-6);
  }
  const auto never = planner.run(sized({"--loss", "1.9", "--params", "7e9"}));
  EXPECT_EQ(never.status, 2);
  EXPECT_CONTAINS(never.err, "7B never reaches 1.9, however many tokens");
  EXPECT_CONTAINS(planner.run(sized({"--loss", "1.8"})).err, "below what any model reaches");
  // Limits are met, and neighbors in size do worse.
  struct Case {
    std::vector<std::string> words;
    const char* key;
    double most;
  };
  for (const auto& one : {Case{{"--max-tco2e", "20"}, "total_tco2e", 20},
                          Case{{"--max-energy-mwh", "400"}, "facility_energy_mwh", 400},
                          Case{{"--max-days", "10d"}, "training_days", 10}}) {
    const auto answer = planner.run(sized(one.words)).json();
    const auto& candidates = answer["candidates"];
    ASSERT_EQ(candidates.size(), 3U) << one.key;
    for (const auto& run : answer["runs"]) {
      EXPECT_NEAR(run["predicted"][one.key]["value"].get<double>() / one.most, 1, 1e-3) << one.key;
    }
    EXPECT_LT(candidates[0]["expected_loss"], candidates[1]["expected_loss"]) << one.key;
    EXPECT_LT(candidates[0]["expected_loss"], candidates[2]["expected_loss"]) << one.key;
  }
  EXPECT_CONTAINS(planner.run(sized({"--max-cost", "1e6"})).err, "--price-per-device-hour");
  EXPECT_CONTAINS(planner.run(sized({"--compute", "1e24", "--tokens", "1e12"})).err,
                  "tokens are solved for");
}

TEST(CompareCommand, WhatIsSharedCancels) {
  const Program planner;
  const auto less = [&](std::vector<std::string> more) {
    std::vector<std::string> words{"compare", "--format", "json", "--tokens", "1e12"};
    words.insert(words.end(), more.begin(), more.end());
    return planner.run(words)
        .json()["compared_to_first"][0]["probability_less_than_first"]
        .get<double>();
  };
  const std::vector<std::string> same{"--device", "H100", "--devices", "512", "--region", "FR"};
  const auto of = [&](std::vector<std::string> more) {
    more.insert(more.end(), same.begin(), same.end());
    return less(more);
  };
  // A tenth less is likely less on the same site, by far.
  EXPECT_GT(of({"--params", "30e9,20e9"}), 0.95);
  EXPECT_LT(of({"--params", "20e9,30e9"}), 0.05);
  EXPECT_NEAR(of({"--params", "20e9,20.01e9"}), 0.5, 0.1);
  EXPECT_NEAR(of({"--params", "20e9,25e9"}) + of({"--params", "25e9,20e9"}), 1, 0.02);
  // On two sites, whose grids and PUEs differ on their own, it is less certain.
  const std::vector<std::string> sites{"--params",  "20e9,24e9", "--device",   "H100",
                                       "--devices", "512",       "--intensity"};
  auto one = sites;
  one.push_back("0.3,0.3");
  auto two = sites;
  two.push_back("0.3,0.3001");
  EXPECT_LE(less(one), less(two) + 0.01);
}

TEST(CompareCommand, LeversSaveAloneAndTogether) {
  const Program planner;
  const auto answer = planner({"compare", "--params", "70e9", "--tokens", "300e9", "--device",
                               "A100", "--devices", "1024", "--pue", "1.5", "--intensity", "0.4",
                               "--levers", "--lever", "teacher=200e9", "--format", "json"})
                          .json();
  double before = answer["runs"][0]["predicted"]["total_tco2e"]["value"];
  const double base = before;
  double product = 1;
  int sites = 0;
  std::set<std::string> models;
  for (const auto& lever : answer["levers"]) {
    if (lever["kind"] == "model") {
      models.insert(lever["lever"]);
      continue;
    }
    ++sites;
    const double together = lever["total_tco2e_together"];
    EXPECT_LT(together, before) << lever;
    before = together;
    product *= lever["total_tco2e_alone"].get<double>() / base;
  }
  EXPECT_EQ(sites, 4);
  // Factors of one chain: together they are about their product.
  EXPECT_NEAR(std::log(before / base) / std::log(product), 1, 0.2);
  EXPECT_TRUE(models.contains("sparse twin"));
  EXPECT_TRUE(models.contains("distillation"));
  const auto text = planner({"compare", "--params", "70e9", "--tokens", "300e9", "--device", "A100",
                             "--devices", "1024", "--pue", "1.5", "--intensity", "0.4", "--lever",
                             "device=H200", "--lever", "region=FR"});
  EXPECT_CONTAINS(text.out, "H200 instead of a100-sxm-80");
  EXPECT_CONTAINS(text.out, "FR instead of 0.4 kg/kWh");
  EXPECT_CONTAINS(text.out, "All together -");
  EXPECT_CONTAINS(planner({"compare", "--params", "7e9", "--tokens", "1e12", "--device", "A100",
                           "--lever", "speed=9"})
                      .err,
                  "'speed=9' is no lever");
}

TEST(CompareCommand, ATeacherSavesTokensWhereItsLawSaysSo) {
  const Program planner;
  const auto asked = [&](const char* params, const char* tokens,
                         const std::vector<std::string>& levers) {
    std::vector<std::string> words{"compare", "--params",  params, "--tokens", tokens, "--device",
                                   "H100",    "--devices", "128",  "--region", "US",   "--lever"};
    for (const auto& lever : levers) {
      if (words.back() != "--lever") words.emplace_back("--lever");
      words.push_back(lever);
    }
    return planner.run(words);
  };
  // 7B on 140B teach 3B what 60B of the text do: by hand 27.27B tokens, of 3B and 7B less twice a
  // vocabulary of 128,256 times 3,072 and 4,096.
  EXPECT_CONTAINS(asked("3e9", "60e9", {"teacher=7e9"}).out,
                  "from a teacher of 7B on 140B: on 27.27B instead of 60B");
  // On five times the text the teacher is too weak; a better one is not.
  const auto weak = asked("3e9", "600e9", {"teacher=1e9"});
  EXPECT_CONTAINS(weak.out,
                  "Left out: distillation: by busbridge-2025 a student of a teacher of 1B");
  EXPECT_CONTAINS(asked("3e9", "300e9", {"teacher=8e9", "teacher-tokens=15e12"}).out,
                  "from a teacher of 8B on 15T: on 167.2B instead of 300B");
  // No student of fewer tokens was ever seen.
  EXPECT_CONTAINS(asked("1e8", "1e9", {"teacher=7e9"}).out, "nothing is saved of 1B");
  EXPECT_CONTAINS(asked("1e9", "20e9", {"teacher=7e9", "teacher-tokens=1e12"}).out,
                  "on 4B instead of 20B");
  // Nothing but a vocabulary.
  EXPECT_CONTAINS(asked("3e9", "60e9", {"teacher=1e6"}).out, "knows no teacher so small: 0 of 1M");
  EXPECT_CONTAINS(asked("2e6", "50e9", {"teacher=7e9"}).out, "knows no student so small: 0 of 2M");
  EXPECT_CONTAINS(asked("3e9", "60e9", {"teacher-tokens=1e12"}).err, "without its size");
}

TEST(CompareCommand, MixturesStandBesideDenseSizes) {
  const Program planner;
  const auto asked = [&](const char* equal, const std::vector<std::string>& more) {
    std::vector<std::string> words{"compare", "--params",  "7e9", "--tokens",  "1e12", "--device",
                                   "H100",    "--devices", "256", "--region",  "US",   "--format",
                                   "json",    "--equal",   equal, "--mixtures"};
    words.insert(words.end(), more.begin(), more.end());
    return planner.run(words);
  };
  const auto of = [](const nlohmann::json& answer, std::size_t i, const char* key) {
    return answer["runs"][i]["predicted"][key]["value"].get<double>();
  };
  for (const char* equal : {"loss", "data", "active"}) {
    SCOPED_TRACE(equal);
    const auto answer = asked(equal, {"8,32"}).json();
    ASSERT_EQ(answer["runs"].size(), 3U);
    EXPECT_EQ(answer["runs"][1]["name"], "7B with 8 experts");
    EXPECT_EQ(answer["scaling_law"]["id"], "ludziejewski-2025");
    const std::string mode = equal;
    double loss = answer["candidates"][0]["expected_loss"];
    for (const std::size_t i : {1U, 2U}) {
      const double experts = i == 1 ? 8 : 32;
      const double active = of(answer, i, "active_params");
      // The rest are experts: two thirds of a dense model are feed-forward layers.
      EXPECT_NEAR(of(answer, i, "total_params") / active, 1 + (experts - 1) * 2 / 3, 1e-6);
      const double now = answer["candidates"][i]["expected_loss"];
      const double work = of(answer, i, "training_flops") / of(answer, 0, "training_flops");
      if (mode == "active") {
        EXPECT_NEAR(work, 1, 1e-6);
        EXPECT_LT(now, loss);
        loss = now;
      } else {
        EXPECT_NEAR(now, loss, 1e-9);
        EXPECT_LT(work, 1);
      }
      EXPECT_EQ(mode == "data", active < of(answer, 0, "active_params"));
    }
  }
  EXPECT_CONTAINS(asked("loss", {"8", "--law", "besiroglu-2024"}).err, "knows no experts");
  EXPECT_CONTAINS(asked("loss", {"1"}).err, "--mixtures");
  EXPECT_CONTAINS(planner({"compare", "--architecture", "llama-3.1-8b", "--tokens", "1e12",
                           "--device", "H100", "--mixtures", "8"})
                      .err,
                  "mixtures stand beside dense sizes on known tokens");
  EXPECT_CONTAINS(asked("loss", {"8,8"}).err, "stands twice");
  planner.write("a.csv", "params_b,tokens_b,device,devices\n7,1000,H100,64\n");
  EXPECT_CONTAINS(planner({"compare", "a.csv", "--mixtures", "8"}).err, "sizes that are typed");
  // Also beside what was solved for: the limit holds for the dense ones.
  const auto solved = planner({"compare", "--max-tco2e", "20", "--device", "H100", "--devices",
                               "256", "--region", "US", "--mixtures", "8"});
  EXPECT_CONTAINS(solved.out, "The least loss within 20 t CO2e");
  EXPECT_CONTAINS(solved.out, "with 8 experts");
  EXPECT_CONTAINS(solved.out, "The limit binds the dense sizes.");
}

TEST(CompareCommand, ManyCandidatesStandBelowEachOther) {
  const Program planner;
  std::string table = "name,params_b,tokens_b,device,devices,region\n";
  for (int i = 1; i <= 500; ++i) {
    table += fmt::format("m{},{},{},h100-sxm,256,FR\n", i, i, 20 * i);
  }
  planner.write("many.csv", table);
  const auto text = planner({"compare", "many.csv"});
  EXPECT_EQ(text.status, 0) << text.err;
  EXPECT_CONTAINS(text.out, "460 more: --format csv has all.");
  EXPECT_LT(count_of(text.out, "\n"), 80U);
  const CsvAnswer csv{planner({"compare", "many.csv", "--format", "csv"}).out};
  EXPECT_EQ(csv.rows.size(), 500U);
  EXPECT_EQ(csv.rows[0].at("name"), "m1");
  EXPECT_GT(std::stod(csv.rows[9].at("expected_loss")),
            std::stod(csv.rows[99].at("expected_loss")));
  const auto plot = planner({"compare", "--params", "1e9,7e9", "--tokens", "1e12", "--device",
                             "H100", "--region", "FR", "--plot"});
  EXPECT_CONTAINS(plot.out, "Loss against carbon");
  EXPECT_CONTAINS(plot.out, "a 1B");
}

TEST(CompareCommand, WhatCannotBeSolvedOrPulledSaysWhy) {
  const Program planner;
  struct Case {
    std::vector<std::string> words;
    const char* what;
  };
  for (const auto& one :
       {Case{{"--max-tco2e", "100", "--days", "30"}, "not with several, --tokens, --days"},
        Case{{"--compute", "1e24", "--active-params", "13B"}, "solved for are dense"},
        Case{{"--compute", "1e40"}, "more than there are"},
        Case{{"--params", "0", "--tokens", "1e12"}, "0 is none"},
        Case{{"--params", "7e9", "--tokens", "1e12", "--lever", "device=foo"}, "no device 'foo'"},
        Case{{"--params", "7e9", "--tokens", "1e12", "--lever", "teacher=70"},
             "did you mean 70B"}}) {
    const auto ran = planner.run(sized(one.words));
    EXPECT_EQ(ran.status, 2) << one.what;
    EXPECT_CONTAINS(ran.err, one.what);
  }
  // A grid by the hour: the limit is met all the same, or it is said that it cannot be.
  std::string hours = "time,intensity_g_per_kwh\n";
  for (int d = 1; d <= 28; ++d) hours += fmt::format("2026-01-{:02d},{}\n", d, d < 15 ? 20 : 400);
  planner.write("h.csv", hours);
  const auto hourly =
      planner.run(sized({"--max-tco2e", "100", "--hourly", "h.csv", "--start", "2026-01-01"}));
  if (hourly.status == 0) {
    EXPECT_NEAR(hourly.json()["runs"][0]["predicted"]["total_tco2e"]["value"].get<double>(), 100,
                1);
  } else {
    EXPECT_CONTAINS(hourly.err, "no number of tokens meets it");
  }
  // What was measured on a run is not what another device would do.
  const std::string head = "name,params_b,tokens_b,device,devices,region,mfu\n";
  const auto saved = [&](const char* mfu) {
    planner.write("m.csv", head + "x,70,1400,A100,512,US," + mfu + "\n");
    return planner({"compare", "m.csv", "--levers", "--format", "json"}).json()["levers"];
  };
  EXPECT_EQ(saved("0.2"), saved(""));
  // A fine-tuned model has no loss of a pretrained one; what does not fit is no choice.
  planner.write("odd.csv",
                "name,params_b,tokens_b,device,devices,region,phase\n"
                "tuned,7,1,h100-sxm,8,FR,finetune\nfits,7,1000,h100-sxm,64,FR,\n"
                "large,7000,1000,h100-sxm,8,FR,\n");
  const auto odd = planner({"compare", "odd.csv", "--format", "json"}).json()["candidates"];
  EXPECT_FALSE(odd[0].contains("expected_loss"));
  EXPECT_TRUE(odd[1]["on_front"].get<bool>());
  EXPECT_FALSE(odd[2]["on_front"].get<bool>());
  EXPECT_FALSE(odd[2]["fits"].get<bool>());
}

/// What is said of how much of a step's error two models share.
TEST(CompareCommand, HalfOfAStepsErrorIsThatOfDeviceAndSoftware) {
  const auto runs = Program{}({"validate", "--format", "json"}).json()["runs"];
  // Mean error of each dense model on each kind of device with each software.
  std::map<std::string, std::map<std::string, std::vector<double>>> clusters;
  for (const auto& run : runs) {
    const auto& inputs = run["inputs"];
    const auto word = [&](const char* key) {
      return inputs.contains(key) ? inputs[key]["value"].get<std::string>() : std::string{};
    };
    const auto& compared = run["compared"];
    if (!compared.contains("tokens_per_s_per_device") || word("type") != "dense" ||
        run["id"].get<std::string>().starts_with("vtrain")) {
      continue;
    }
    const auto model = word("architecture");
    clusters[word("device") + "|" +
             word("framework_family")][model.empty() ? run["name"].get<std::string>() : model]
        .push_back(std::log(1 + compared["tokens_per_s_per_device"]["delta"].get<double>()));
  }
  const auto mean = [](const std::vector<double>& values) {
    double sum = 0;
    for (const double v : values) sum += v;
    return sum / static_cast<double>(values.size());
  };
  std::vector<double> all;
  double within = 0;
  double degrees = 0;
  for (const auto& [cluster, models] : clusters) {
    std::vector<double> own;
    for (const auto& [model, errors] : models) own.push_back(mean(errors));
    all.insert(all.end(), own.begin(), own.end());
    if (own.size() < 2) continue;
    const double middle = mean(own);
    for (const double error : own) within += (error - middle) * (error - middle);
    degrees += static_cast<double>(own.size()) - 1;
  }
  double total = 0;
  for (const double error : all) total += error * error;
  EXPECT_GT(all.size(), 90U);
  EXPECT_NEAR(1 - (within / degrees) / (total / static_cast<double>(all.size())), 0.59, 0.05);
}

}  // namespace
}  // namespace pretrain::cli
