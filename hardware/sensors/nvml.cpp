#include "hardware/sensors/nvml.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "hardware/sensors/nvml_api.hpp"
#include "models/core/text.hpp"

namespace pretrain::hardware {

namespace {

constexpr double kMilli = 1e-3;

std::string text_from(const NvmlApi&, int (*get)(NvmlHandle, char*, unsigned), NvmlHandle handle) {
  std::array<char, 96> text{};
  if (get == nullptr || get(handle, text.data(), text.size()) != kNvmlSuccess) return {};
  return text.data();
}

class Gpu : public Source {
 public:
  Gpu(std::shared_ptr<const NvmlApi> api, NvmlHandle handle, unsigned index,
      std::function<bool(unsigned)> ours)
      : api_{std::move(api)}, handle_{handle}, ours_{std::move(ours)} {
    info_.id = fmt::format("gpu{}", index);
    info_.kind = "gpu";
    info_.name = text_from(*api_, api_->name, handle_);
    info_.uuid = text_from(*api_, api_->uuid, handle_);
    // The counter of a module has its CPU and memory in it.
    const bool module = info_.name.find("GH200") != std::string::npos ||
                        info_.name.find("GB200") != std::string::npos ||
                        info_.name.find("GB300") != std::string::npos;
    info_.scope = module ? "module" : "device";
    if (module) note("the energy counter is that of the whole module, CPU included");
    unsigned current = 0;
    unsigned pending = 0;
    if (api_->mig_mode != nullptr && api_->mig_mode(handle_, &current, &pending) == kNvmlSuccess &&
        current == 1) {
      note("MIG is on: the figures are those of the whole GPU, all its instances together");
    }
    unsigned limit = 0;
    if (api_->power_limit != nullptr && api_->power_limit(handle_, &limit) == kNvmlSuccess) {
      sums_.usage().limit = kMilli * limit * watt;
    }
    unsigned long long first = 0;
    const int code = api_->energy != nullptr ? api_->energy(handle_, &first)
                                             : static_cast<int>(kNvmlNotSupported);
    if (code == kNvmlNotSupported) {
      counts_ = false;
      note("no energy counter (older than Volta, or virtual): power is added up instead");
    }
  }

  const SourceInfo& info() const override { return info_; }
  const Usage& usage() const override { return sums_.usage(); }

  void sample(MeterClock::time_point now, bool slow) override {
    Sample s;
    auto& u = sums_.usage();
    if (!u.lost) {
      unsigned long long mj = 0;
      if (counts_ && good(api_->energy(handle_, &mj))) {
        s.counter = kMilli * static_cast<double>(mj) * joule;
      }
      s.power = power();
      if (slow && !u.lost) read_slowly();
    }
    sums_.add(now, s);
  }

 private:
  void note(std::string_view text) {
    if (!info_.note.empty()) info_.note += "; ";
    info_.note += text;
  }

  bool good(int code) {
    if (code == kNvmlGpuIsLost || code == kNvmlResetRequired) sums_.usage().lost = true;
    return code == kNvmlSuccess;
  }

  /// Instant power where the driver has it: the usual figure is a mean over a second on some.
  std::optional<Power> power() {
    if (instant_ && api_->fields != nullptr) {
      NvmlField field{};
      field.field = kNvmlPowerInstant;
      field.scope = kNvmlScopeDevice;
      // The call succeeds even where the field does not.
      if (good(api_->fields(handle_, 1, &field)) && field.code == kNvmlSuccess) {
        return kMilli * field.value.u * watt;
      }
      instant_ = false;
    }
    unsigned mw = 0;
    if (api_->power == nullptr || !good(api_->power(handle_, &mw))) return std::nullopt;
    return kMilli * mw * watt;
  }

  void read_slowly() {
    auto& u = sums_.usage();
    unsigned value = 0;
    if (api_->clock != nullptr && good(api_->clock(handle_, kNvmlClockSm, &value))) {
      clocks_ += value;
      u.clock_mhz = clocks_ / static_cast<double>(++clock_count_);
    }
    if (api_->temperature != nullptr &&
        good(api_->temperature(handle_, kNvmlTemperatureGpu, &value))) {
      u.temperature_c = std::max(u.temperature_c.value_or(value), static_cast<double>(value));
    }
    unsigned long long reasons = 0;
    if (api_->throttle_reasons != nullptr && good(api_->throttle_reasons(handle_, &reasons))) {
      u.throttled |= reasons;
    }
    if (api_->processes == nullptr || !ours_ || u.contended) return;
    std::array<NvmlProcess, 64> processes{};
    auto count = static_cast<unsigned>(processes.size());
    if (!good(api_->processes(handle_, &count, processes.data()))) return;
    u.contended = std::any_of(processes.begin(), processes.begin() + count,
                              [&](const NvmlProcess& p) { return !ours_(p.pid); });
  }

  std::shared_ptr<const NvmlApi> api_;
  NvmlHandle handle_;
  std::function<bool(unsigned)> ours_;
  SourceInfo info_;
  Accumulator sums_;
  bool counts_ = true;
  bool instant_ = true;
  double clocks_ = 0;
  std::size_t clock_count_ = 0;
};

/// Handles of all devices, in the order of NVML, with their UUIDs.
struct Listed {
  NvmlHandle handle = nullptr;
  unsigned index = 0;
  std::string uuid;
};

std::vector<Listed> list_all(const NvmlApi& api, std::vector<std::string>& absent) {
  std::vector<Listed> all;
  unsigned count = 0;
  api.count(&count);
  for (unsigned i = 0; i < count; ++i) {
    Listed one;
    one.index = i;
    if (const int code = api.by_index(i, &one.handle); code != kNvmlSuccess) {
      absent.push_back(fmt::format("GPU {}: {}", i, api.text_of(code)));
      continue;
    }
    one.uuid = text_from(api, api.uuid, one.handle);
    all.push_back(std::move(one));
  }
  return all;
}

/// The device that a MIG instance is a part of.
std::optional<std::string> parent_of(const NvmlApi& api, const std::string& mig) {
  NvmlHandle instance = nullptr;
  NvmlHandle parent = nullptr;
  if (api.by_uuid == nullptr || api.parent_of_mig == nullptr ||
      api.by_uuid(mig.c_str(), &instance) != kNvmlSuccess ||
      api.parent_of_mig(instance, &parent) != kNvmlSuccess) {
    return std::nullopt;
  }
  return text_from(api, api.uuid, parent);
}

/// Those that CUDA would see. It stops at the first word that names none.
std::vector<Listed> visible_of(const NvmlApi& api, const std::string& words,
                               const std::vector<Listed>& all) {
  std::vector<Listed> chosen;
  std::size_t from = 0;
  while (from <= words.size()) {
    const auto comma = std::min(words.find(',', from), words.size());
    const std::string word{trimmed(std::string_view{words}.substr(from, comma - from))};
    from = comma + 1;
    const auto found = std::find_if(all.begin(), all.end(), [&](const Listed& one) {
      if (word.starts_with("MIG-")) return parent_of(api, word) == one.uuid;
      if (word.starts_with("GPU-")) return one.uuid.starts_with(word);
      return word == std::to_string(one.index);
    });
    if (found == all.end()) break;
    const bool there = std::any_of(chosen.begin(), chosen.end(),
                                   [&](const Listed& one) { return one.index == found->index; });
    if (!there) chosen.push_back(*found);
  }
  return chosen;
}

}  // namespace

GpuChoice gpus_of_environment() {
  GpuChoice choice;
  if (const char* library = std::getenv("PLANNER_NVML"); library != nullptr && *library != '\0') {
    choice.library = library;
  }
  if (const char* visible = std::getenv("CUDA_VISIBLE_DEVICES"); visible != nullptr) {
    choice.visible = visible;
  }
  const char* order = std::getenv("CUDA_DEVICE_ORDER");
  choice.pci_order = order != nullptr && std::string_view{order} == "PCI_BUS_ID";
  if (const char* rank = std::getenv("LOCAL_RANK"); rank != nullptr && *rank != '\0') {
    choice.only = static_cast<unsigned>(std::strtoul(rank, nullptr, 10));
  }
  return choice;
}

void find_gpus(const GpuChoice& choice, Sensors& sensors) {
  std::string why;
  const auto api = NvmlApi::open(choice.library, why);
  if (api == nullptr) {
    sensors.absent.push_back("GPU: " + why);
    return;
  }
  std::array<char, 96> driver{};
  if (api->driver_version != nullptr &&
      api->driver_version(driver.data(), driver.size()) == kNvmlSuccess) {
    sensors.driver = driver.data();
  }
  const auto all = list_all(*api, sensors.absent);
  if (all.empty()) {
    sensors.absent.emplace_back("GPU: the NVIDIA driver sees none");
    return;
  }
  auto chosen = choice.visible ? visible_of(*api, *choice.visible, all) : all;
  if (chosen.empty()) {
    sensors.absent.push_back(fmt::format("GPU: CUDA_VISIBLE_DEVICES='{}' names none of the {}",
                                         *choice.visible, all.size()));
    return;
  }
  const bool several = std::any_of(chosen.begin(), chosen.end(), [&](const Listed& one) {
    return text_from(*api, api->name, one.handle) !=
           text_from(*api, api->name, chosen.front().handle);
  });
  const bool by_number =
      choice.visible && choice.visible->find_first_of("0123456789") == 0 && !choice.pci_order;
  if (several && by_number) {
    sensors.absent.emplace_back(
        "GPU: kinds differ, and CUDA may number them from the fastest: set "
        "CUDA_DEVICE_ORDER=PCI_BUS_ID, or name UUIDs");
  }
  if (choice.only && *choice.only < chosen.size()) chosen = {chosen[*choice.only]};
  for (const auto& one : chosen) {
    sensors.sources.push_back(std::make_unique<Gpu>(api, one.handle, one.index, choice.ours));
  }
}

std::string throttle_text(std::uint64_t reasons) {
  struct Reason {
    std::uint64_t bit;
    std::string_view name;
  };
  // Idle clocks, clocks that were set, and display clocks are no throttling.
  constexpr std::array<Reason, 6> kReasons{{{0x4, "power limit"},
                                            {0x8, "hardware slowdown"},
                                            {0x10, "boost shared with others"},
                                            {0x20, "temperature"},
                                            {0x40, "hardware temperature"},
                                            {0x80, "power brake"}}};
  std::string text;
  for (const auto& [bit, name] : kReasons) {
    if ((reasons & bit) == 0) continue;
    if (!text.empty()) text += ", ";
    text += name;
  }
  return text;
}

}  // namespace pretrain::hardware
