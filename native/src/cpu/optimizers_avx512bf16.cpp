// AVX-512 with the bfloat16 instructions: the file's name chooses the compiler's flags.
#include "cpu/optimizers_avx512.h"
