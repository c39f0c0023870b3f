#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "models/core/units.hpp"

namespace pretrain::hardware {

/// A rate that was measured several times.
struct MeasuredRate {
  double median = 0;
  double low = 0;   ///< the slowest repetition that counted
  double high = 0;  ///< the fastest
  std::size_t repetitions = 0;
};

struct GemmRate {
  double size = 0;      ///< of a square product
  MeasuredRate gflops;  ///< GFLOP/s
};

/// What the CPUs of this machine reach, on all cores that the process may use.
struct CpuRates {
  std::string name;  ///< of the CPU
  unsigned threads = 0;
  std::string library;         ///< that multiplies
  std::vector<GemmRate> gemm;  ///< fp32
  MeasuredRate copy_gb_per_s;  ///< read and written
  double seconds = 0;          ///< that all of it took
};

/// fp32 matrix products of the system's BLAS, so that they show the machine and not the
/// instruction set of this program; of Eigen where there is none.
class MatrixLibrary {
 public:
  virtual ~MatrixLibrary() = default;
  virtual const std::string& name() const = 0;
  /// c = a b, all square and column by column.
  virtual void multiply(const float* a, const float* b, float* c, int size) const = 0;

  /// `names`: of the libraries to try; usual: OpenBLAS, MKL, BLIS and the reference BLAS.
  static std::unique_ptr<MatrixLibrary> open(unsigned threads,
                                             const std::vector<std::string>& names);
  static std::vector<std::string> usual_names();
};

/// As the system names it; empty where it does not.
std::string cpu_name();

/// Threads that this process may run at a time.
unsigned usable_threads();

/// Measures for about so long: each size is repeated until it is steady, then at least four times
/// with pauses of random length. `each` is told of every size and of the copy.
CpuRates measure_cpu(const MatrixLibrary& library, unsigned threads, Time budget,
                     const std::function<void(const std::string&)>& each);

}  // namespace pretrain::hardware
