#include "models/architecture.hpp"

#include <algorithm>

namespace pretrain::models {

BlockKinds block_kinds(const Architecture& a) {
  struct Mixers {
    Mixer mixer;
    double left;
  };
  struct FeedForwards {
    FeedForward ffn;
    double left;
  };
  std::array<Mixers, 3> mixers{{{Mixer::state_space, a.ssm_layers},
                                {Mixer::attention, a.attention_blocks()},
                                {Mixer::none, a.ffn_only_layers}}};
  std::array<FeedForwards, 3> ffns{{{FeedForward::none, a.mixer_only_layers},
                                    {FeedForward::dense, a.dense_layers()},
                                    {FeedForward::experts, a.moe_layers}}};
  BlockKinds kinds;
  std::size_t m = 0;
  std::size_t f = 0;
  while (m < mixers.size() && f < ffns.size()) {
    const double count = std::min(mixers[m].left, ffns[f].left);
    if (count > 0) kinds.add({mixers[m].mixer, ffns[f].ffn, count});
    mixers[m].left -= count;
    ffns[f].left -= count;
    if (!(mixers[m].left > 0)) {
      ++m;
    } else {
      ++f;
    }
  }
  return kinds;
}

std::string_view name_of(ModelType type) {
  switch (type) {
    case ModelType::dense:
      return "dense";
    case ModelType::moe:
      return "moe";
    case ModelType::encoder:
      return "encoder";
    case ModelType::encoder_decoder:
      return "encoder_decoder";
    case ModelType::vision:
      return "vision";
  }
  return "dense";
}

std::string_view name_of(StateSpace mixer) {
  switch (mixer) {
    case StateSpace::none:
      return "none";
    case StateSpace::mamba1:
      return "Mamba-1";
    case StateSpace::mamba2:
      return "Mamba-2";
    case StateSpace::gated_delta_net:
      return "gated delta net";
    case StateSpace::kimi_delta_attention:
      return "Kimi delta attention";
  }
  return "none";
}

}  // namespace pretrain::models
