#include "models/family.hpp"

#include <algorithm>
#include <utility>

#include "models/core/text.hpp"

namespace pretrain::models {

namespace {

Norm norm_of(std::string_view word) {
  if (word == "rms") return Norm::rms;
  return word == "layer" ? Norm::layer : Norm::none;
}

QkNorm qk_norm_of(std::string_view word) {
  if (word == "head") return QkNorm::head;
  return word == "width" ? QkNorm::width : QkNorm::none;
}

Positions positions_of(std::string_view word) {
  if (word == "learned") return Positions::learned;
  if (word == "bias") return Positions::bias;
  return word == "transformer_xl" ? Positions::transformer_xl : Positions::none;
}

StateSpace state_space_of(std::string_view word) {
  if (word == "mamba1") return StateSpace::mamba1;
  if (word == "mamba2") return StateSpace::mamba2;
  if (word == "gated_delta_net") return StateSpace::gated_delta_net;
  return word == "kimi_delta_attention" ? StateSpace::kimi_delta_attention : StateSpace::none;
}

Details details_of(const Table& table, std::size_t row) {
  const auto flag = [&](std::string_view column) {
    return table.flag(row, column).value_or(false);
  };
  const auto count = [&](std::string_view column, double fallback) {
    return table.number(row, column, 0, 1e6).value_or(fallback);
  };
  return {.norm = norm_of(table.choice(row, "norm", {"none", "rms", "layer"})),
          .norms_per_layer = table.required_number(row, "norms_per_layer", 0, 8),
          .final_norms = count("final_norms", 1),
          .embedding_norms = count("embedding_norms", 0),
          .qk_norm = qk_norm_of(table.choice(row, "qk_norm", {"", "head", "width"})),
          .qkv_bias = flag("qkv_bias"),
          .attention_bias = flag("attention_bias"),
          .ffn_bias = flag("ffn_bias"),
          .router_bias = flag("router_bias"),
          .expert_bias = flag("expert_bias"),
          .head_bias = flag("head_bias"),
          .shared_expert_gate = flag("shared_expert_gate"),
          .attention_sinks = flag("attention_sinks"),
          .attention_gate = flag("attention_gate"),
          .mtp_shared = flag("mtp_shared"),
          .chunked_window = flag("chunked_window"),
          .positions = positions_of(
              table.choice(row, "positions", {"", "learned", "bias", "transformer_xl"})),
          .position_count = count("position_count", 0),
          .token_types = count("token_types", 0),
          .pooler = flag("pooler"),
          .lookup_inactive = flag("lookup_inactive")};
}

}  // namespace

FamilyCatalogue FamilyCatalogue::read(std::string_view text, std::string file) {
  FamilyCatalogue result;
  result.tables_.push_back(Table::read(
      text, std::move(file), {"family", "type", "norm", "norms_per_layer", "source", "checked"}));
  const Table& table = result.tables_.front();
  result.places_.reserve(table.size());
  for (std::size_t row = 0; row < table.size(); ++row) {
    const auto name = table.required_text(row, "family");
    result.places_.push_back(table.file() + " " + std::string{name});
    const auto add_key = [&](std::string_view alias) {
      const auto key = normalized(alias);
      for (const auto& [known, index] : result.keys_) {
        if (known == key) {
          table.fail(row, "family", "'" + std::string{alias} + "' stands twice",
                     "a name is one family, whatever its case and punctuation");
        }
      }
      result.keys_.emplace_back(key, row);
    };
    add_key(name);
    for (const auto alias : split(table.text(row, "aliases"), ';')) add_key(alias);
    result.families_.push_back(
        {.name = name,
         .type = table.required_text(row, "type"),
         .gated = table.flag(row, "gated_ffn"),
         .tied = table.flag(row, "tie_embeddings"),
         .ffn_over_hidden = table.number(row, "ffn_over_hidden", 0.1, 100),
         .heads = table.number(row, "heads", 1, 1e5),
         .kv_heads = table.number(row, "kv_heads", 1, 1e5),
         .head_dim = table.number(row, "head_dim", 1, 1e5),
         .vocab = table.number(row, "vocab", 1, 1e8),
         .position_extra = table.number(row, "position_extra", 0, 1e4).value_or(0),
         .state_space = state_space_of(
             table.choice(row, "state_space",
                          {"", "mamba1", "mamba2", "gated_delta_net", "kimi_delta_attention"})),
         .details = details_of(table, row),
         .origin = table.origin(row, result.places_.back())});
  }
  return result;
}

const Family* FamilyCatalogue::find(std::string_view name) const {
  const auto key = normalized(name);
  const auto found = std::find_if(keys_.begin(), keys_.end(),
                                  [&](const auto& entry) { return entry.first == key; });
  return found == keys_.end() ? nullptr : &families_[found->second];
}

std::vector<std::string_view> FamilyCatalogue::names() const {
  std::vector<std::string_view> result;
  for (const auto& family : families_) result.push_back(family.name);
  return result;
}

}  // namespace pretrain::models
