#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/core/table.hpp"

namespace pretrain::models {

/// Loss of a student of N parameters that learns from nothing but the predictions of a teacher over
/// D tokens, and of the same model trained on the text itself; both fitted to runs on one data set.
/// Of the teacher only its own loss counts. A better one helps until the student cannot follow it;
/// with enough tokens training on the text is always better.
///
/// @eq      loss.supervised   loss.distilled
/// @source  busbridge-2025, Eq. 1 and 8
/// @domain  N, D > 0 (N without embeddings); 0 < teacher's loss
/// @returns nats per token
struct DistillationLaw {
  std::string_view id;
  // Trained on the text.
  double irreducible = 0;
  double a = 0;
  double alpha = 0;
  double b = 0;
  double beta = 0;
  double gamma = 0;
  // Of the student.
  double student_a = 0;
  double student_alpha = 0;
  double student_b = 0;
  double student_beta = 0;
  double student_gamma = 0;
  double c0 = 0;
  double c1 = 0;
  double d1 = 0;
  double f1 = 0;
  // Where it was fitted.
  double students_low = 0;   ///< parameters
  double students_high = 0;  ///< the same
  double teachers_high = 0;  ///< the same
  double tokens_low = 0;
  double tokens_high = 0;
  std::string_view data;
  Origin origin;

  double supervised(double params, double tokens) const;
  double distilled(double params, double tokens, double teacher_loss) const;
  /// Tokens after which a student reaches a loss; absent where it does with no number of them.
  std::optional<double> tokens_for(double loss, double params, double teacher_loss) const;
};

class DistillationLawTable {
 public:
  static DistillationLawTable read(std::string_view text, std::string file);
  /// The first of the table.
  const DistillationLaw& usual() const { return laws_.front(); }

 private:
  std::vector<Table> tables_;
  std::vector<std::string> places_;
  std::vector<DistillationLaw> laws_;
};

}  // namespace pretrain::models
