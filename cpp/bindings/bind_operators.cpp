// Python's operators as slots of the type: half the cost of methods found by name.
#include "python.h"

namespace verigrad::bindings {
namespace {

/// Loads an operand of an operator; false where Python should try the other side.
bool load_operand(PyObject* object, Operand& operand) {
  if (is_tensor(object)) {
    operand.tensor = unwrap(object);
    return true;
  }
  if (load_scalar(object, operand.scalar)) return true;
  if (!is_ndarray(object)) return false;
  operand.tensor = tensor_from_data(object, {}, {});
  return true;
}

PyObject* release(const Tensor& tensor) { return wrap(tensor).release().ptr(); }

PyObject* not_implemented() {
  Py_INCREF(Py_NotImplemented);
  return Py_NotImplemented;
}

/// Runs a slot's body, turning C++ exceptions into Python's.
template <class F>
PyObject* guarded(F body) {
  try {
    return body();
  } catch (...) {
    set_python_error();
    return nullptr;
  }
}

template <TensorTensor tt, TensorScalar ts, ScalarTensor st>
PyObject* apply(const Operand& x, const Operand& y) {
  if (!x.is_tensor()) return release(st(x.scalar, y.tensor));
  return release(y.is_tensor() ? tt(x.tensor, y.tensor) : ts(x.tensor, y.scalar));
}
template <TensorTensor tt, TensorScalar ts, ScalarTensor st>
PyObject* binary(PyObject* a, PyObject* b) {
  return guarded([&]() -> PyObject* {
    Operand x, y;
    if (!load_operand(a, x) || !load_operand(b, y)) return not_implemented();
    return apply<tt, ts, st>(x, y);
  });
}
#define VG_SLOT_BINARY(NAME) VG_OVERLOADS(binary, NAME)

PyObject* power(PyObject* a, PyObject* b, PyObject*) { return VG_SLOT_BINARY(pow)(a, b); }

template <InPlaceTensor tt, InPlaceScalar ts>
PyObject* inplace(PyObject* self, PyObject* other) {
  return guarded([&]() -> PyObject* {
    Operand y;
    if (!load_operand(other, y)) return not_implemented();
    const Tensor x = unwrap(self);
    const Uninterrupted whole;
    change_in_place<tt, ts>(x, y);
    Py_INCREF(self);
    return self;
  });
}
PyObject* inplace_power(PyObject* self, PyObject* other, PyObject*) { return VG_INPLACE(inplace, pow_)(self, other); }

PyObject* matmul(PyObject* a, PyObject* b) {
  return guarded([&]() -> PyObject* {
    Operand x, y;
    if (!load_operand(a, x) || !load_operand(b, y) || !x.is_tensor() || !y.is_tensor()) return not_implemented();
    return release(ops::matmul(x.tensor, y.tensor));
  });
}

PyObject* invert(PyObject* a) {
  return guarded([&]() -> PyObject* {
    const Tensor x = unwrap(a);
    VG_CHECK(!is_floating_point(x.dtype()), TypeError, "~: expected an integer or bool tensor, got ", x.dtype());
    return release(ops::bitwise_not(x));
  });
}

PyObject* negative(PyObject* a) {
  return guarded([&] { return release(ops::neg(unwrap(a))); });
}
PyObject* absolute(PyObject* a) {
  return guarded([&] { return release(ops::abs(unwrap(a))); });
}
PyObject* positive(PyObject* a) {
  return guarded([&] {
    check_positive(unwrap(a));
    Py_INCREF(a);
    return a;
  });
}

PyObject* compare(PyObject* a, PyObject* b, int op) {
  switch (op) {
    case Py_EQ: return VG_SLOT_BINARY(eq)(a, b);
    case Py_NE: return VG_SLOT_BINARY(ne)(a, b);
    case Py_LT: return VG_SLOT_BINARY(lt)(a, b);
    case Py_LE: return VG_SLOT_BINARY(le)(a, b);
    case Py_GT: return VG_SLOT_BINARY(gt)(a, b);
    default: return VG_SLOT_BINARY(ge)(a, b);
  }
}

/// By identity, since == compares elements.
Py_hash_t hash(PyObject* self) { return static_cast<Py_hash_t>(reinterpret_cast<std::uintptr_t>(self) >> 4); }

}  // namespace

void bind_operators(PyHeapTypeObject* type) {
  PyNumberMethods& number = type->as_number;
  number.nb_add = VG_SLOT_BINARY(add);
  number.nb_subtract = VG_SLOT_BINARY(sub);
  number.nb_multiply = VG_SLOT_BINARY(mul);
  number.nb_true_divide = VG_SLOT_BINARY(div);
  number.nb_floor_divide = VG_SLOT_BINARY(floor_divide);
  number.nb_remainder = VG_SLOT_BINARY(remainder);
  number.nb_power = power;
  number.nb_matrix_multiply = matmul;
  number.nb_negative = negative;
  number.nb_positive = positive;
  number.nb_absolute = absolute;
  number.nb_invert = invert;
  number.nb_and = VG_SLOT_BINARY(bitwise_and);
  number.nb_or = VG_SLOT_BINARY(bitwise_or);
  number.nb_xor = VG_SLOT_BINARY(bitwise_xor);
  number.nb_lshift = VG_SLOT_BINARY(bitwise_left_shift);
  number.nb_rshift = VG_SLOT_BINARY(bitwise_right_shift);
  number.nb_inplace_add = VG_INPLACE(inplace, add_);
  number.nb_inplace_subtract = VG_INPLACE(inplace, sub_);
  number.nb_inplace_multiply = VG_INPLACE(inplace, mul_);
  number.nb_inplace_true_divide = VG_INPLACE(inplace, div_);
  number.nb_inplace_floor_divide = VG_INPLACE(inplace, floor_divide_);
  number.nb_inplace_remainder = VG_INPLACE(inplace, remainder_);
  number.nb_inplace_power = inplace_power;
  number.nb_inplace_and = VG_INPLACE(inplace, bitwise_and_);
  number.nb_inplace_or = VG_INPLACE(inplace, bitwise_or_);
  number.nb_inplace_xor = VG_INPLACE(inplace, bitwise_xor_);
  number.nb_inplace_lshift = VG_INPLACE(inplace, bitwise_left_shift_);
  number.nb_inplace_rshift = VG_INPLACE(inplace, bitwise_right_shift_);
  type->ht_type.tp_richcompare = compare;
  type->ht_type.tp_hash = hash;
}

}  // namespace verigrad::bindings
