// AVX-512 with the bfloat16 instructions: the file's name chooses the compiler's flags.
#include "cpu/float8/scaled_rows_avx512.h"
