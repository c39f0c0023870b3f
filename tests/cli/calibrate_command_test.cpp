#include <fmt/format.h>

#include <cmath>

#include "tests/cli/program.hpp"

namespace pretrain::cli {
namespace {

const std::string kHeader =
    "id,architecture,device,devices,seq_len,global_batch_seqs,micro_batch_seqs,tp,pp,dp,"
    "framework_family,dtype,reported_iteration_s,reported_device_power_w\n";

/// Six runs of a cluster, each half as fast again as the first that is asked for.
class CalibrateCommand : public testing::Test {
 protected:
  static std::string row(const std::string& id, const char* model, int tp, double seconds,
                         const char* watts = "") {
    return fmt::format("{},{},a100-sxm-80,64,2048,512,1,{},1,{},megatron,bf16,{},{}\n", id, model,
                       tp, 64 / tp, seconds, watts);
  }
  double predicted(const std::string& rows, const std::string& profile = "") const {
    planner.write("one.csv", kHeader + rows);
    std::vector<std::string> words{"estimate", "one.csv", "--format", "json", "--blind"};
    if (!profile.empty()) words.insert(words.end(), {"--profile", profile});
    const auto ran = planner.run(words);
    EXPECT_EQ(ran.status, 0) << ran.err;
    return ran.json()["runs"][0]["predicted"]["iteration_s"]["value"].get<double>();
  }
  /// Runs that take 30% longer than predicted, at 280 W.
  std::string slow_cluster() const {
    std::string rows = kHeader;
    int i = 0;
    for (const char* model : {"gpt3-5b", "llama-2-7b", "llama-2-13b"}) {
      for (const int tp : {1, 2, 4}) {
        const auto id = fmt::format("r{}", i++);
        rows += row(id, model, tp, 1.3 * predicted(row(id, model, tp, 1)), "280");
      }
    }
    return rows;
  }
  Program planner;
};

TEST_F(CalibrateCommand, AProfileMakesPredictionsThoseOfTheCluster) {
  planner.write("past.csv", slow_cluster());
  const auto ran =
      planner({"calibrate", "--from", "past.csv", "--name", "ours", "-o", "ours.yaml"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_CONTAINS(ran.out, "ampere");
  EXPECT_CONTAINS(ran.out, "23.1%");  // 1 / 1.3 - 1
  EXPECT_CONTAINS(ran.out, "Stored as 'ours'");
  EXPECT_CONTAINS(ran.out, "No row has pipelines, context parallelism");
  EXPECT_CONTAINS(ran.out, "9 rows tell the draw of a device.");
  // A model that it has not seen.
  const auto other = row("new", "gpt3-20b", 8, 1);
  const double shipped = predicted(other);
  EXPECT_NEAR(predicted(other, "ours") / shipped, 1.3, 0.1);
  EXPECT_DOUBLE_EQ(predicted(other, "ours"), predicted(other, "ours.yaml"));
  // As the list has it, and with narrower intervals.
  EXPECT_CONTAINS(planner({"list", "profiles"}).out, "ours");
  planner.write("one.csv", kHeader + other);
  const auto run = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"estimate", "one.csv", "--format", "json", "--blind"});
    return planner.run(more).json()["runs"][0]["predicted"]["iteration_s"];
  };
  const auto width = [](const Json& value) {
    return std::log(value["high"].get<double>() / value["low"].get<double>());
  };
  EXPECT_LT(width(run({"--profile", "ours"})), width(run({})));
  // The plan search takes it, too.
  planner.write("run.csv",
                "name,architecture,tokens_b,device,devices,global_batch_seqs\n"
                "x,llama-2-7b,100,a100-sxm-80,64,512\n");
  const auto plan = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"plan", "run.csv", "--format", "json"});
    return planner.run(more).json()["plans"][0]["training_days"].get<double>();
  };
  EXPECT_NEAR(plan({"--profile", "ours"}) / plan({}), 1.3, 0.1);
}

TEST_F(CalibrateCommand, ElsewhereItIsTold) {
  planner.write("past.csv", slow_cluster());
  ASSERT_EQ(planner({"calibrate", "--from", "past.csv", "--name", "ours"}).status, 0);
  planner.write("h.csv", "name,architecture,device,devices,tokens_b\nx,llama-2-7b,h100-sxm,8,1\n");
  EXPECT_CONTAINS(planner({"estimate", "h.csv", "--profile", "ours"}).err,
                  "was learnt on other devices");
}

/// nccl-tests of eight ranks on so many hosts.
std::string network(std::size_t hosts, double bus, const char* device = "NVIDIA H100 80GB HBM3") {
  std::string text = "# Collective test starting: all_reduce_perf\n";
  for (std::size_t rank = 0; rank < 8; ++rank) {
    text += fmt::format("#  Rank  {} Group  0 Pid 5 on node-{} device  {} [000f:01:00] {}\n", rank,
                        rank % hosts, rank, device);
  }
  return text + "#       size         count      type   redop    root     time   algbw   busbw\n" +
         fmt::format("  1073741824  268435456  float  sum  -1  1000  {}  {}\n", bus / 1.75, bus);
}

TEST_F(CalibrateCommand, TheNetworkIsLearntFromItsTests) {
  planner.write("near.txt", network(1, 300));
  const auto ran = planner({"calibrate", "--from", "near.txt", "-o", "n.yaml"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_CONTAINS(ran.out, "all_reduce of 8 ranks on 1 hosts: 300 of 450 GB/s; scaleup 0.");
  EXPECT_CONTAINS(ran.out, "Stored as 'hopper-network'");
  // Tensor parallel runs take longer on slower links.
  planner.write("r.csv", kHeader + "a,llama-2-13b,h100-sxm,8,4096,64,1,8,1,1,megatron,bf16,,\n");
  const auto step = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"estimate", "r.csv", "--format", "json"});
    const auto document = planner.run(more).json();
    return document["runs"][0]["predicted"]["iteration_s"]["value"].get<double>();
  };
  EXPECT_GT(step({"--profile", "n.yaml"}), 1.002 * step({}));
  // Four nodes of two: 100 GB/s of cards.
  planner.write("far.txt", network(4, 92));
  EXPECT_CONTAINS(planner({"calibrate", "--from", "far.txt"}).out, "92 of 100 GB/s; scaleout 0.");

  planner.write("small.txt", network(1, 300, "NVIDIA Nothing 9000"));
  EXPECT_CONTAINS(planner({"calibrate", "--from", "small.txt"}).err,
                  "unknown device 'NVIDIA Nothing 9000'");
  planner.write("fast.txt", network(1, 3000));
  EXPECT_CONTAINS(planner({"calibrate", "--from", "fast.txt"}).err, "over a scaleup of 450 GB/s");
}

TEST_F(CalibrateCommand, WithoutRunsTheCpusAreMeasured) {
  planner.environment["PLANNER_NVML"] = "libnothing.so";
  planner.environment["PLANNER_CUDA"] = "libnothing.so";
  const auto ran = planner({"calibrate", "--seconds", "1", "-o", "cpu.yaml"});
  EXPECT_EQ(ran.status, 0) << ran.err;
#ifdef PRETRAIN_SIM_CUDA
  EXPECT_CONTAINS(ran.err, "GPU: no CUDA driver (libnothing.so is not there)");
#else
  EXPECT_CONTAINS(ran.err, "GPU: this program was built where nvcc is not");
#endif
  EXPECT_CONTAINS(ran.out, "fp32 product of 512 x 512");
  EXPECT_CONTAINS(ran.out, "copy, read and written");
  EXPECT_CONTAINS(ran.out, "Stored as 'local-cpu'");
  planner.write("c.csv",
                "name,architecture,tokens_b,device,devices,dtype,device_tdp_w\n"
                "a,gpt2-small,1,local-cpu,1,fp32,100\n");
  const auto unknown = planner({"estimate", "c.csv", "--format", "json"}).json();
  EXPECT_FALSE(unknown["runs"][0]["predicted"].contains("training_days")) << unknown;
  const auto known = planner({"estimate", "c.csv", "--profile", "local-cpu", "--format", "json"});
  EXPECT_EQ(known.status, 0) << known.err;
  EXPECT_GT(known.json()["runs"][0]["predicted"]["training_days"]["value"], 0);
}

#ifdef PRETRAIN_SIM_CUDA

class CalibrateGpu : public CalibrateCommand {
 protected:
  CalibrateGpu() {
    planner.environment["PLANNER_CUDA"] = PRETRAIN_SIM_CUDA;
    planner.environment["PLANNER_CUBLASLT"] = PRETRAIN_SIM_CUDA;
    planner.environment["PLANNER_CUDNN"] = "libnothing.so";
    planner.environment["PLANNER_NVML"] = PRETRAIN_SIM_NVML;
    planner.environment["NVML_SIM"] = "devices=1 watts=500 cuda=1";
    planner.environment["CUDA_SIM"] = "tflops=600 gb_per_s=3000";
  }
};

TEST_F(CalibrateGpu, BlocksTellTheDevice) {
  const auto ran = planner({"calibrate", "--seconds", "1.5", "--name", "mine", "-o", "mine.yaml"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_CONTAINS(ran.err, "windows of steps, 4 of 4");
  EXPECT_CONTAINS(ran.out, "NVIDIA H200");
  EXPECT_CONTAINS(ran.out, "2 of 4096 wide");
  EXPECT_CONTAINS(ran.out, "matrix products and softmax (no cuDNN 9");
  EXPECT_CONTAINS(ran.out, "limit 700 W");
  EXPECT_CONTAINS(ran.out, "Known twice as well as before: hbm");
  EXPECT_CONTAINS(ran.out, "Stored as 'mine'");
  const auto profile = file_text(planner.path("mine.yaml"));
  EXPECT_CONTAINS(profile, "uuid_hash:");
  EXPECT_CONTAINS(profile, "products: \"cuBLASLt 13.1.0\"");
  EXPECT_EQ(profile.find("0a0b0c"), std::string::npos) << "the UUID itself is nobody's business";
  // A slow card: the same run takes longer there.
  planner.write("run.csv",
                "name,architecture,tokens_b,device,devices,global_batch_seqs\n"
                "x,llama-2-7b,100,h200-sxm,8,64\n");
  const auto days = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"estimate", "run.csv", "--format", "json"});
    return planner.run(more).json()["runs"][0]["predicted"]["training_days"]["value"].get<double>();
  };
  EXPECT_GT(days({"--profile", "mine"}) / days({}), 1.02);
}

TEST_F(CalibrateGpu, AnArchitectureMayBeNamed) {
  const auto ran = planner({"calibrate", "--seconds", "1", "--architecture", "llama-3-8b"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_CONTAINS(ran.out, "2 of llama-3-8b, 4096 long");
  const auto latent = planner({"calibrate", "--architecture", "deepseek-v3"});
  EXPECT_EQ(latent.status, 2);
  EXPECT_CONTAINS(latent.err, "no plain attention and feed-forward");
  const auto unknown = planner({"calibrate", "--architecture", "lama-3-8b"});
  EXPECT_EQ(unknown.status, 2);
  EXPECT_CONTAINS(unknown.err, "llama-3-8b");
}

TEST_F(CalibrateGpu, WhatAGpuRefusesIsSaid) {
  planner.environment["CUDA_SIM"] = "fail_at=9";
  const auto failed = planner({"calibrate", "--seconds", "1"});
  EXPECT_EQ(failed.status, 2);
  EXPECT_CONTAINS(failed.err, "simulated refusal");
  EXPECT_CONTAINS(failed.err, "nvidia-smi");
  planner.environment["CUDA_SIM"] = "old=1";
  EXPECT_CONTAINS(planner({"calibrate", "--seconds", "0.5"}).err, "older than the compiler");
  // What does not fit is left out, with its size.
  planner.environment["CUDA_SIM"] = "memory_gb=20 no_fp8=1";
  const auto small = planner({"calibrate", "--seconds", "1"});
  EXPECT_EQ(small.status, 0) << small.err;
  EXPECT_CONTAINS(small.out, "warning: blocks 8192 wide need ");
  EXPECT_CONTAINS(small.out, "no products in 8 bits");
  planner.environment["CUDA_SIM_NAME"] = "NVIDIA Nothing 9000";
  const auto unknown = planner({"calibrate", "--seconds", "1"});
  EXPECT_EQ(unknown.status, 0);
  EXPECT_CONTAINS(unknown.err, "'NVIDIA Nothing 9000' is no device of the catalogue");
}

#endif

TEST_F(CalibrateCommand, WhatCannotBeLearntSaysWhy) {
  planner.write("two.csv", kHeader + row("a", "gpt3-5b", 1, 5) + row("b", "gpt3-5b", 2, 5));
  planner.write("none.csv", "name,params_b,tokens_b,device,devices\nx,7,100,h100-sxm,8\n");
  struct Case {
    std::vector<std::string> words;
    const char* what;
  };
  const Case cases[] = {
      {{"--from", "two.csv"}, "fewer than three rows"},
      {{"--from", "none.csv"}, "no row tells the time of a step"},
      {{"--from", "two.csv", "--device", "hopper"}, "no row of hopper"},
      {{"--from", "two.csv", "--name", "a b"}, "'a b' is no name"},
      {{"--from", "absent.csv"}, "absent.csv"},
      {{"--seconds", "0"}, "--seconds"},
      {{"--cpu", "--architecture", "llama-3-8b"}, "--architecture excludes --cpu"},
  };
  for (const auto& one : cases) {
    auto words = one.words;
    words.insert(words.begin(), "calibrate");
    const auto ran = planner.run(words);
    EXPECT_EQ(ran.status, 2) << one.what << ran.out;
    EXPECT_CONTAINS(ran.err, one.what);
  }
  const auto none = planner({"estimate", "none.csv", "--profile", "nobody"});
  EXPECT_EQ(none.status, 2);
  EXPECT_CONTAINS(none.err, "no profile 'nobody'");
}

}  // namespace
}  // namespace pretrain::cli
