// The part of the Python module that multiplies matrices and trains networks.
#pragma once

#include <nanobind/nanobind.h>

namespace bridle {

void add_training(nanobind::module_& m);

}  // namespace bridle
