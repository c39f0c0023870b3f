#include "hardware/device.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "tests/support.hpp"

namespace pretrain::hardware {
namespace {

DeviceCatalogue shipped_devices() {
  return DeviceCatalogue::read(shipped(embedded_files(), "devices.csv"), "devices.csv");
}

std::string_view id_of(const DeviceCatalogue& devices, std::string_view name) {
  const auto match = devices.find(name);
  return match.device == nullptr ? std::string_view{} : match.device->id;
}

TEST(Device, ShippedTableIsValid) {
  const auto devices = shipped_devices();
  EXPECT_GE(devices.all().size(), 80U);
  for (const auto& one : devices.all()) {
    EXPECT_EQ(id_of(devices, one.id), one.id);
    const bool accelerator = one.kind != "cpu";
    EXPECT_FALSE(accelerator && one.tdp && *one.tdp < 20.0 * watt / device) << one.id;
    EXPECT_FALSE(one.idle && one.tdp && *one.idle >= *one.tdp) << one.id;
    EXPECT_EQ(one.origin.place, "devices.csv " + std::string{one.id});
  }
}

TEST(Device, EveryNameLeadsToItsDevice) {
  const auto devices = shipped_devices();
  for (const auto& one : devices.all()) {
    for (const auto alias : keys_of(one.aliases)) {
      // An id, letter by letter, goes before an alias.
      const auto match = devices.find(alias);
      ASSERT_NE(match.device, nullptr) << alias;
      EXPECT_TRUE(match.device->id == one.id || match.device->id == alias) << alias;
    }
  }
}

TEST(Device, PeaksAreDense) {
  const auto devices = shipped_devices();
  const Device* h100 = devices.find("h100-sxm").device;
  ASSERT_NE(h100, nullptr);
  // The data sheet's 1979 is with sparsity.
  EXPECT_NEAR(h100->peak_of(Dtype::bf16).value().in(teraflops / device), 989.5, 1);
  const Device* a100 = devices.find("a100-sxm-80").device;
  ASSERT_NE(a100, nullptr);
  EXPECT_NEAR(a100->peak_of(Dtype::bf16).value().in(teraflops / device), 312, 0.5);
}

TEST(Device, ChipNamesAreAmbiguous) {
  const auto devices = shipped_devices();
  const auto a100 = devices.find("A100");
  ASSERT_NE(a100.device, nullptr);
  EXPECT_EQ(a100.device->id, "a100-sxm-80");
  EXPECT_TRUE(a100.ambiguous);
  EXPECT_FALSE(devices.find("A100-SXM4-80GB").ambiguous);
  EXPECT_FALSE(devices.find("a100-sxm-80").ambiguous);
  const auto variants = devices.variants("A100");
  EXPECT_GT(variants.size(), 1U);
  EXPECT_NE(std::find(variants.begin(), variants.end(), "a100-pcie-40"), variants.end());
}

TEST(Device, IdsGoBeforeAliases) {
  const auto devices = shipped_devices();
  EXPECT_EQ(id_of(devices, "V100"), "v100-sxm2-32");
  EXPECT_EQ(id_of(devices, "v100"), "v100");
}

TEST(Device, CaseAndPunctuationDoNotCount) {
  const auto devices = shipped_devices();
  for (const char* name : {"TPUV3", "tpu-v3", "TPU v3", "tpu_v3", "Cloud TPU v3", "TPU3"}) {
    EXPECT_EQ(id_of(devices, name), "tpu-v3") << name;
  }
  EXPECT_FALSE(devices.find("TPUV3").ambiguous);
}

TEST(Device, UnknownNamesAreNull) {
  const auto devices = shipped_devices();
  for (const char* name : {"", "A999", "-", "gpu"}) {
    EXPECT_EQ(devices.find(name).device, nullptr) << name;
  }
  EXPECT_EQ(devices.find(std::string(1000, 'a')).device, nullptr);
  EXPECT_TRUE(devices.variants("A999").empty());
}

TEST(Device, NamesAreIdsAndAliases) {
  const auto names = shipped_devices().names().size();
  EXPECT_GT(names, shipped_devices().all().size());
}

TEST(Device, KeepsItsTextWhenMoved) {
  auto devices = shipped_devices();
  const auto moved = std::move(devices);
  EXPECT_EQ(id_of(moved, "TPU-v3"), "tpu-v3");
}

TEST(Device, DtypeNames) {
  EXPECT_EQ(dtype_of("bf16"), Dtype::bf16);
  EXPECT_EQ(dtype_of("mxfp8"), Dtype::fp8);
  EXPECT_EQ(dtype_of("nvfp4"), Dtype::fp4);
  EXPECT_EQ(dtype_of("mxfp4"), Dtype::fp4);
  EXPECT_EQ(dtype_of("fp7"), std::nullopt);
  for (std::size_t i = 0; i < kDtypes; ++i) {
    const auto dtype = static_cast<Dtype>(i);
    EXPECT_EQ(dtype_of(name_of(dtype)), dtype);
  }
}

// ---- tables that a user may bring

constexpr std::string_view kHeader =
    "id,vendor,name,aliases,kind,generation,tdp_w,fp64_tflops,fp32_tflops,tf32_tflops,fp16_tflops,"
    "bf16_tflops,fp8_tflops,int8_tops,fp4_tflops,memory_gb,memory_bandwidth_gb_per_s,"
    "devices_per_server,server_max_power_w,source,locator,checked\n";

std::string device_row(std::string_view id, std::string_view aliases, std::string_view tdp) {
  std::string row{id};
  row += ",v,n,";
  row += aliases;
  row += ",gpu,g,";
  row += tdp;
  return row + ",,,,,,,,,,,,,s,l,read\n";
}

DeviceCatalogue read_rows(const std::string& rows) {
  return DeviceCatalogue::read(std::string{kHeader} + rows, "mine.csv");
}

TEST(Device, AnIdStandsOnce) {
  EXPECT_EQ(problem_of([] { read_rows(device_row("x1", "", "") + device_row("x1", "", "")); }).what,
            "'x1' stands twice");
}

TEST(Device, AnAliasNamesOneDevice) {
  EXPECT_EQ(
      problem_of([] { read_rows(device_row("x1", "X;Y", "") + device_row("x2", "y", "")); }).what,
      "'y' also names x1");
}

TEST(Device, KilowattsAreRefused) {
  const auto problem = problem_of([] { read_rows(device_row("x1", "", "0.4")); });
  EXPECT_EQ(problem.where.line, 2U);
  EXPECT_EQ(problem.what, "tdp_w 0.4 lies outside 1 to 50000");
}

TEST(Device, BlankIsUnknown) {
  const auto devices = read_rows(device_row("x1", "", ""));
  const Device* one = devices.find("X-1").device;
  ASSERT_NE(one, nullptr);
  EXPECT_FALSE(one->tdp.has_value());
  EXPECT_FALSE(one->peak_of(Dtype::bf16).has_value());
  EXPECT_FALSE(one->year.has_value());
}

}  // namespace
}  // namespace pretrain::hardware
