// What a run says of its architecture, and what is made of it.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>

#include "models/parameters.hpp"
#include "tests/planner/rows.hpp"

namespace pretrain::planner {
namespace {

using models::Field;

/// The tables of the program, with files that exist only here.
class WithFiles {
 public:
  explicit WithFiles(std::map<std::string, std::string> files) : files_{std::move(files)} {
    catalogue_.read_files([this](const std::string& path) {
      const auto found = files_.find(path);
      if (found == files_.end()) throw InputError({path, 0, 0}, "no such file", "look again");
      return found->second;
    });
  }
  const Catalogue& catalogue() const { return catalogue_; }

 private:
  std::map<std::string, std::string> files_;
  Catalogue catalogue_;
};

const std::string kLlama = R"({"model_type": "llama", "hidden_size": 4096,
 "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
 "num_key_value_heads": 8, "vocab_size": 128256, "tie_word_embeddings": false})";

TEST(RunArchitecture, ShippedOnesAreCountedExactlyWhereTheirDimensionsGiveTheCount) {
  std::size_t counted = 0;
  for (const auto& published : shipped_catalogue().architectures().all()) {
    const std::string name{published.name};
    const auto whole = models::complete(published.spec, {});
    const OneRun run{joined("architecture,device,devices,seq_len", name + ",H100,512,2048")};
    if (!run.ok()) {
      EXPECT_FALSE(whole.usable()) << name << ": " << run.failure().what;
      EXPECT_FALSE(published.params_b && published.active_params_b) << name;
      continue;
    }
    if (run.warning(Oddity::rough_count)) {
      EXPECT_FALSE(published.spec.plain || published.params_b) << name;
      EXPECT_GT(run[Key::total_params], 1e9) << name;
      continue;
    }
    if (whole.state != models::Completion::State::assumed) {
      EXPECT_EQ(run.scenario().counted, whole.usable()) << name;
    }
    if (!run.scenario().counted) {
      EXPECT_DOUBLE_EQ(run[Key::total_params], *published.params_b * 1e9) << name;
      continue;
    }
    ++counted;
    EXPECT_DOUBLE_EQ(run[Key::total_params], models::parameters(whole.architecture).total())
        << name;
  }
  EXPECT_GT(counted, 150U);
}

TEST(RunArchitecture, OneThatIsNoPlainTransformerTakesThePublishedCounts) {
  const OneRun run{joined("architecture,device,devices,tokens_b", "glam-64b64e,H100,512,600")};
  EXPECT_FALSE(run.scenario().counted);
  EXPECT_TRUE(run.warning(Oddity::not_counted));
  EXPECT_DOUBLE_EQ(run[Key::active_params], 96.6e9);
  expect_near(run[Key::training_flops], 6 * 96.6e9 * 600e9);
}

TEST(RunArchitecture, DimensionsWinOverStatedParameters) {
  const std::string header = "architecture,params_b,device,devices";
  const OneRun near{joined(header, "llama-3.1-8b,8,H100,8")};
  EXPECT_EQ(near[Key::total_params], 8030261248.0);
  EXPECT_FALSE(near.warning(Oddity::params_differ));
  const OneRun far{joined(header, "llama-3.1-8b,70,H100,8")};
  EXPECT_EQ(far[Key::total_params], 8030261248.0);
  EXPECT_TRUE(far.warning(Oddity::params_differ));
  const OneRun active{
      joined("architecture,active_params_b,device,devices", "mixtral-8x7b,40,H100,64")};
  EXPECT_EQ(active[Key::active_params], 12879925248.0);
  EXPECT_TRUE(active.warning(Oddity::active_differ));
}

TEST(RunArchitecture, AStatedCountDecidesWhatTheDimensionsLeaveOpen) {
  // Llama 3.1 70B without its key-value heads: eight of them meet the count, 64 do not.
  const std::string header =
      "layers,hidden,heads,head_dim,ffn_hidden,gated_ffn,vocab,tie_embeddings,params_b,device";
  const OneRun run{joined(header, "80,8192,64,128,28672,true,128256,false,70.55,H100")};
  EXPECT_EQ(run[Key::total_params], 70553706496.0);
  // Where no reading meets it, the stated count is taken.
  const OneRun wide{
      joined("layers,hidden,heads,kv_heads,ffn_hidden,gated_ffn,vocab,"
             "tie_embeddings,params_b,device",
             "28,1024,16,8,3072,true,151936,true,0.596,H100")};
  EXPECT_DOUBLE_EQ(wide[Key::total_params], 0.596e9) << "its heads are wider than hidden / heads";
  EXPECT_TRUE(wide.warning(Oddity::dimensions_differ));
  EXPECT_FALSE(wide.scenario().counted);
}

TEST(RunArchitecture, AChangedDimensionMakesItAnotherModel) {
  const OneRun half{joined("architecture,layers,device,devices", "llama-3.1-8b,16,H100,8")};
  EXPECT_LT(half[Key::total_params], 5e9);
  EXPECT_FALSE(half.warning(Oddity::params_differ)) << "nothing was stated";
  // Which ten of the layers of a hybrid are left would have to be said.
  expect_failure(joined("architecture,layers,device,devices", "nemotron-3-nano,10,H100,8"),
                 "6 layers with attention and 23 with a state of 10 in all", Col::layers);
  const OneRun small{
      joined("architecture,layers,attention_layers,ssm_layers,moe_layers,device,devices",
             "nemotron-3-nano,10,2,4,4,H100,8")};
  EXPECT_TRUE(small.ok()) << small.failure().what;
  EXPECT_LT(small[Key::total_params], 7e9);
}

TEST(RunArchitecture, FlopsAreToldInTheConventionOfTheRow) {
  const std::string header =
      "architecture,device,devices,seq_len,tokens_b,recompute,reported_flop_convention";
  const auto run = [&](const std::string& convention) {
    return std::make_unique<OneRun>(
        joined(header, "llama-3.1-8b,H100,64,8192,1000,full," + convention));
  };
  const auto causal = run("model_causal_attention");
  const auto full = run("model_full_attention");
  const auto hardware = run("hardware");
  const auto six = run("6nd");
  const auto blank = run("");
  const double rate = (*causal)[Key::tokens_per_s_per_device];
  for (const auto* other : {&full, &hardware, &six, &blank}) {
    expect_near((**other)[Key::tokens_per_s_per_device], rate);
    expect_near((**other)[Key::training_days], (*causal)[Key::training_days]);
  }
  EXPECT_EQ((*blank)[Key::tflops_per_device], (*causal)[Key::tflops_per_device]);
  expect_near((*six)[Key::tflops_per_device] * 1e12 / rate, 6 * 8030261248.0);
  // facts: full over causal attention is +12.5% for 8B at 8k; recomputation adds about a third.
  EXPECT_NEAR((*full)[Key::mfu] / (*causal)[Key::mfu], 1.125, 0.005);
  EXPECT_NEAR((*hardware)[Key::mfu] / (*full)[Key::mfu], 4.0 / 3.0, 0.03);
  expect_near((*causal)[Key::hfu], (*hardware)[Key::mfu]);
}

TEST(RunArchitecture, MethodsLeaveTheArchitectureOut) {
  EstimateOptions six;
  six.method = Method::six_nd;
  const OneRun run{joined("architecture,device,devices,tokens_b", "llama-3.1-8b,H100,64,1000"),
                   six};
  expect_near(run[Key::training_flops], 6 * 8030261248.0 * 1e12);
}

TEST(RunArchitecture, FrozenWeightsSaveWorkAndNeverCostMoreThanAll) {
  const auto flops = [](const std::string& model, const std::string& phase,
                        const std::string& trainable) {
    return OneRun{
        joined("architecture,phase,trainable_params_b,device,devices,tokens_b,seq_len",
               model + "," + phase + "," + trainable + ",H100,64,1,4096")}[Key::training_flops];
  };
  for (const std::string model : {"llama-3.1-8b", "mixtral-8x7b"}) {
    const double all = flops(model, "pretrain", "");
    EXPECT_NEAR(flops(model, "lora", "") / all, 0.68, 0.02) << model;
    EXPECT_GT(flops(model, "lora", "0.5"), flops(model, "lora", "")) << model;
    EXPECT_EQ(flops(model, "finetune", ""), all) << model;
    const double most = model == "mixtral-8x7b" ? 46.7 : 8.0;
    EXPECT_LE(flops(model, "finetune", std::to_string(most)), all * (1 + kExact)) << model;
    EXPECT_GT(flops(model, "finetune", std::to_string(most)), 0.9 * all) << model;
  }
  expect_failure(
      joined("architecture,phase,trainable_params_b,device", "llama-3.1-8b,lora,80,H100"),
      "trainable parameters", Col::trainable_params_b);
}

TEST(RunArchitecture, ADistillationRunsItsTeacherForward) {
  const std::string header = "architecture,phase,teacher_params_b,device,devices,tokens_b,seq_len";
  const OneRun with{joined(header, "llama-3.2-1b,distill,8,H100,8,1,4096")};
  const OneRun without{joined(header, "llama-3.2-1b,distill,,H100,8,1,4096")};
  expect_near(with[Key::training_flops] - without[Key::training_flops], 2 * 8e9 * 1e9, 1e-9);
  EXPECT_TRUE(without.warning(Oddity::no_teacher));
  EXPECT_FALSE(with.warning(Oddity::no_teacher));
}

TEST(RunArchitecture, AConfigurationIsReadFromItsFile) {
  const WithFiles files{{{"m/config.json", kLlama}}};
  const OneRun run{joined("architecture,device,devices,tokens_b", "m/config.json,H100,8,100"),
                   {},
                   files.catalogue()};
  EXPECT_EQ(run[Key::total_params], 8030261248.0);
  EXPECT_EQ(place_of(run.scenario().spec[Field::hidden]), "m/config.json");
}

TEST(RunArchitecture, AnArchitectureInYamlHasTheColumnsOfTheTable) {
  const WithFiles files{{{"m.yaml",
                          "type: moe\nfamily: mixtral\nlayers: 32\nhidden: 4096\nheads: 32\n"
                          "kv_heads: 8\nexperts: 8\nexperts_per_token: 2\n"
                          "expert_ffn_hidden: 14336\nvocab: 32000\ntie_embeddings: false\n"}}};
  const OneRun run{joined("architecture,device,devices", "m.yaml,H100,64"), {}, files.catalogue()};
  EXPECT_EQ(run[Key::total_params], 46702792704.0);
  EXPECT_EQ(run[Key::active_params], 12879925248.0);
  // The row wins over the file.
  const OneRun more{
      joined("architecture,experts,device,devices", "m.yaml,16,H100,64"), {}, files.catalogue()};
  EXPECT_GT(more[Key::total_params], 90e9);
}

TEST(RunArchitecture, WhatIsWrongWithAFileIsToldWithItsPlace) {
  const WithFiles files{
      {{"bad.json",
        "{\"model_type\": \"llama\",\n \"hidden_size\": -1,\n \"num_hidden_layers\": 2}"},
       {"two.yaml", "- {layers: 2, hidden: 64}\n- {layers: 3, hidden: 64}\n"},
       {"family.yaml", "family: lama\nlayers: 2\nhidden: 64\n"},
       {"column.yaml", "layers: two\n"}}};
  const auto failure = [&](const std::string& path) {
    const OneRun run{joined("architecture,device", path + ",H100"), {}, files.catalogue()};
    EXPECT_FALSE(run.ok()) << path;
    EXPECT_EQ(run.failure().col, Col::architecture);
    EXPECT_FALSE(remedy(run.failure(), files.catalogue()).empty()) << path;
    return run.failure().what;
  };
  EXPECT_EQ(failure("bad.json"), "bad.json:2:2: 'hidden_size' is -1");
  EXPECT_EQ(failure("two.yaml"), "two.yaml: 2 architectures in one file");
  EXPECT_EQ(failure("family.yaml"), "family.yaml: unknown family 'lama'");
  EXPECT_EQ(failure("column.yaml"), "column.yaml:1:9: 'two' is not a number in column 'layers'");
  EXPECT_EQ(failure("none.json"), "none.json: no such file");
}

TEST(RunArchitecture, ListsOfLayersWithoutOneNumberAreRefused) {
  const WithFiles files{{{"c.json",
                          R"({"model_type": "llama", "hidden_size": 1024, "num_hidden_layers": 4,
 "num_attention_heads": [8, 7, 8, 7], "head_dim": 128, "intermediate_size": 4096,
 "vocab_size": 1000})"}}};
  const OneRun run{joined("architecture,device,devices", "c.json,A100,8"), {}, files.catalogue()};
  EXPECT_FALSE(run.ok());
  EXPECT_EQ(run.failure().what, "c.json:2:2: 'num_attention_heads' differs from layer to layer");
}

TEST(RunArchitecture, AStatedTeacherMeansDistillation) {
  const std::string header = "architecture,phase,teacher_params_b,device,devices,tokens_b,seq_len";
  const OneRun said{joined(header, "llama-3.2-1b,distill,8,H100,8,1,4096")};
  const OneRun meant{joined(header, "llama-3.2-1b,,8,H100,8,1,4096")};
  EXPECT_EQ(said[Key::training_flops], meant[Key::training_flops]);
}

TEST(RunArchitecture, ContradictionsNameTheirColumn) {
  expect_failure(joined("layers,hidden,heads,device", "32,4096,30,H100"), "do not divide",
                 Col::heads);
  expect_failure(joined("type,experts,experts_per_token,params_b,device", "moe,8,9,46,H100"),
                 "9 experts per token of 8", Col::experts_per_token);
  expect_failure(joined("layers,hidden,experts,type,device", "32,4096,8,dense,H100"),
                 "experts in a dense model", Col::experts);
  expect_failure(joined("layers,hidden,decoder_layers,type,device", "32,4096,16,dense,H100"),
                 "but one stack", Col::decoder_layers);
  expect_failure(joined("type,layers,hidden,experts,experts_per_token,expert_ffn_hidden,"
                        "moe_layer_period,device",
                        "moe,24,4096,8,2,4096,100,H100"),
                 "none has any", Col::moe_layer_period);
  expect_failure(joined("family,layers,hidden,device", "lama,32,4096,H100"), "unknown family",
                 Col::family);
}

}  // namespace
}  // namespace pretrain::planner
