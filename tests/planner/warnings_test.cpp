#include "planner/warnings.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "tests/planner/rows.hpp"

namespace pretrain::planner {
namespace {

TEST(Warnings, EveryOddityHasItsText) {
  std::set<std::string> texts;
  for (std::size_t i = 0; i < static_cast<std::size_t>(Oddity::count); ++i) {
    const auto text =
        to_text({static_cast<Oddity>(i), 0.5, 0.25, "thing", "other"}, shipped_catalogue());
    EXPECT_FALSE(text.empty()) << i;
    EXPECT_TRUE(texts.insert(text).second) << i << " says the same as another: " << text;
  }
}

TEST(Warnings, NamesAreShownWhereTheyMatter) {
  // What is told once per name must name it, else the second name would look like a repetition.
  for (std::size_t i = 0; i < static_cast<std::size_t>(Oddity::count); ++i) {
    const auto oddity = static_cast<Oddity>(i);
    if (!once_per_name(oddity) || oddity == Oddity::no_region || oddity == Oddity::no_duration ||
        oddity == Oddity::no_teacher) {
      continue;
    }
    const auto text = to_text({oddity, 1, 2, "thing", "other"}, shipped_catalogue());
    EXPECT_NE(text.find("thing"), std::string::npos) << i;
  }
  EXPECT_FALSE(once_per_name(Oddity::mfu_conflict)) << "differs from row to row";
  const std::string endless(1000, 'x');
  EXPECT_LT(to_text({Oddity::unknown_region, 0, 0, endless, {}}, shipped_catalogue()).size(), 300U);
}

TEST(Warnings, PlansThatDoNotComeOutEvenAreTold) {
  struct Case {
    const char* header;
    const char* cells;
    Oddity oddity;
    std::vector<const char*> parts;  ///< of the text
  };
  const std::vector<Case> cases{
      {"tp,pp,dp", "2,2,8", Oddity::plan_devices, {"plan", "32 devices", "64", "leave dp blank"}},
      {"tp,pp,cp", "2,3,1", Oddity::plan_devices, {"plan", "60 devices", "64"}},
      {"tp,micro_batch_seqs,global_batch_seqs",
       "2,3,1000",
       Oddity::plan_batch,
       {"micro_batch_seqs", "96", "global_batch_seqs", "1000", "960"}},
      {"dp,micro_batch_seqs,global_batch_seqs",
       "64,32,1024",
       Oddity::plan_batch,
       {"2048", "more than", "smaller micro-batches", "1024"}},
      {"tp,micro_batch_seqs,micro_batches,global_batch_seqs",
       "1,2,3,1024",
       Oddity::plan_micro_batches,
       {"micro_batches 3", "8", "blank"}},
      {"tp,global_batch_seqs", "2,16", Oddity::plan_shared, {"32 replicas", "16", "cp"}}};
  for (const auto& [header, cells, oddity, parts] : cases) {
    const OneRun run{joined(std::string{"architecture,device,devices,tokens_b,seq_len,"} + header,
                            std::string{"llama-3.1-8b,H100,64,1000,4096,"} + cells)};
    ASSERT_TRUE(run.ok()) << run.failure().what;
    ASSERT_NE(run.warning(oddity), nullptr) << cells;
    const auto text = to_text(*run.warning(oddity), shipped_catalogue());
    for (const char* part : parts) {
      EXPECT_NE(text.find(part), std::string::npos) << part << " is not in " << text;
    }
    EXPECT_EQ(place_of(run.result().estimate.rate.mfu), "efficiency.step") << "still timed";
  }
}

TEST(Warnings, FormatsThatADeviceLacksAreTold) {
  const std::string header = "architecture,device,devices,tokens_b,dtype";
  const OneRun half{joined(header, "llama-2-7b,V100,64,100,bf16")};
  ASSERT_NE(half.warning(Oddity::ambiguous_dtype), nullptr);
  const auto taken = to_text(*half.warning(Oddity::ambiguous_dtype), shipped_catalogue());
  EXPECT_NE(taken.find("bf16"), std::string::npos) << taken;
  EXPECT_NE(taken.find("fp16"), std::string::npos) << taken;
  EXPECT_EQ(half[Key::mfu], OneRun(joined(header, "llama-2-7b,V100,64,100,fp16"))[Key::mfu]);
  // No other format stands for 8 bits: no peak, no rate.
  const OneRun eight{joined(header, "llama-2-7b,A100,64,100,fp8")};
  ASSERT_NE(eight.warning(Oddity::no_efficiency), nullptr);
  const auto missing = to_text(*eight.warning(Oddity::no_efficiency), shipped_catalogue());
  for (const char* part : {"fp8", "a100-sxm-80", "it has", "bf16", "fp16", "peak_tflops"}) {
    EXPECT_NE(missing.find(part), std::string::npos) << part << " is not in " << missing;
  }
  EXPECT_FALSE(eight.has(Key::mfu));
  EXPECT_FALSE(eight.has(Key::training_days));
  EXPECT_TRUE(OneRun(joined(header + ",peak_tflops", "llama-2-7b,A100,64,100,fp8,600"))
                  .has(Key::training_days));
}

TEST(Warnings, HoldsAFewAndNeverOverflows) {
  Warnings warnings;
  EXPECT_EQ(warnings.size(), 0U);
  for (int i = 0; i < 1000; ++i) warnings.add({Oddity::no_region, 0, 0, {}, {}});
  EXPECT_EQ(warnings.size(), static_cast<std::size_t>(Oddity::count));
  EXPECT_EQ(warnings.end() - warnings.begin(), static_cast<std::ptrdiff_t>(warnings.size()));
  warnings.clear();
  EXPECT_EQ(warnings.begin(), warnings.end());
}

}  // namespace
}  // namespace pretrain::planner
