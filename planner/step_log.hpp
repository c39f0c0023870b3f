#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace pretrain::planner {

/// What a line of a training log says of the steps.
struct StepLine {
  double step = 0;                ///< that is done
  std::optional<double> total;    ///< of the run
  std::optional<double> seconds;  ///< of a step, as the log has it
};

/// Whose log it is.
enum class LogKind { any, megatron, torchtitan, huggingface, nanogpt, deepspeed, regex };

/// Finds steps in the output of a training command.
class StepReader {
 public:
  explicit StepReader(LogKind kind = LogKind::any);
  /// Lines that `pattern` matches are steps: its first group is the number of the step, or each is
  /// one more. Throws InputError where it is no regular expression (ECMAScript).
  static StepReader with_regex(const std::string& pattern);
  ~StepReader();
  StepReader(StepReader&&) noexcept;
  StepReader& operator=(StepReader&&) noexcept;

  /// A line without its end; absent where it says nothing of steps. Colors are passed over; of long
  /// lines the beginning is read.
  std::optional<StepLine> read(std::string_view line);

 private:
  struct Pattern;
  LogKind kind_;
  std::unique_ptr<Pattern> pattern_;
  double counted_ = 0;
};

std::optional<LogKind> log_kind_named(std::string_view name);

}  // namespace pretrain::planner
