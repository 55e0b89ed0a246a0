"""Notebooks as lists of cells; each prints what it ends with. None of them needs a library outside the standard one."""

from __future__ import annotations

CORPUS: dict[str, list[str]] = {
    "case_01_plain_use": ["x = 5", "y = x + 1", "print(x, y)"],
    "case_02_function_with_a_free_variable": ["t = 3\ndef f(a):\n    return a + t", "print(f(1))", "t = 10", "print(f(1))"],
    "case_03_functions_calling_functions": [
        "def f(a):\n    return a * k", "k = 2", "def g(a):\n    return f(a) + 1", "def h(a):\n    return g(a) * 2", "print(h(3))",
    ],
    "case_04_lambda": ["k = 4\nf = lambda a: a * k", "k = 5", "print(f(2))"],
    "case_05_partial_and_containers": [
        "from functools import partial\nbase = 10\ndef f(a, b):\n    return a + b + base",
        "p = partial(f, 1)\nd = {'f': f, 'l': [lambda v: v * base]}", "print(p(2), d['f'](1, 2), d['l'][0](3))",
        "base = 100", "print(p(2), d['f'](1, 2), d['l'][0](3))",
    ],
    "case_06_method_with_a_global": [
        "rate = 2\nclass Scaler:\n    def __init__(self, v):\n        self.v = v\n    def run(self):\n        return self.v * rate",
        "s = Scaler(4)", "rate = 7", "print(s.run(), Scaler(1).run(), isinstance(s, Scaler))",
    ],
    "case_07_instance_whose_methods_call_helpers": [
        "def inner(v):\n    return v + shift\ndef helper(v):\n    return inner(v) * 2",
        "shift = 1\nclass A:\n    def run(self, v):\n        return helper(v)\na = A()", "print(a.run(3))", "shift = 5", "print(a.run(3))",
    ],
    "case_08_defaults_attributes_and_decorators": [
        "n = 3\ndef deco(f):\n    def inner(*a):\n        return f(*a) * n\n    return inner",
        "@deco\ndef f(a, b=n):\n    return a + b\nclass C:\n    size = n\n    def get(self):\n        return self.size",
        "n = 50", "print(f(1), C().get(), C.size)",
    ],
    "case_09_decorated": [
        "import functools\ncalls = []\n@functools.lru_cache(maxsize=None)\ndef fib(i):\n    return i if i < 2 else fib(i - 1) + fib(i - 2)",
        "print(fib(20))", "print(fib(25))",
    ],
    "case_10_closures": [
        "def counter():\n    n = 0\n    def inc():\n        nonlocal n\n        n += 1\n        return n\n    return inc",
        "c = counter()\nc();", "c();", "print(c())",
    ],
    "case_11_comprehension_shadows": ["x = 7\nxs = [1, 2]", "y = [x * 2 for x in xs]", "print(x, y)"],
    "case_13_class_body_and_conditions": [
        "limit = 2\nnames = ['a', 'b', 'c']", "class C:\n    top = limit\n    kept = {n: i for i, n in enumerate(names) if i < 2}",
        "print(C.top, C.kept)",
    ],
    "case_14_augmented": ["n = 1", "n += 1", "n += 1", "print(n)"],
    "case_15_in_place": [
        "xs = [1]\nd = {}", "xs.append(2)", "d['a'] = xs", "xs.extend([3])\nd['b'] = 1", "print(xs, sorted(d))",
    ],
    "case_15_in_place_in_a_function": [
        "def add(target, item):\n    target.append(item)\ndef outer(target):\n    add(target, 'o')", "xs = []", "add(xs, 1)", "outer(xs)",
        "print(xs)",
    ],
    "case_15_in_a_loop_over_parts": [
        "rows = [{'a': 1}, {'a': 2}]", "for row in rows:\n    row['b'] = row['a'] * 2", "print(rows)",
    ],
    "case_16_two_names": ["a = [1]\nb = a", "b.append(2)", "print(a, b, a is b)", "a.append(3)", "print(b, a is b)"],
    "case_16_alias_made_later": ["a = [1]", "b = a", "b.append(2)", "print(a, a is b)"],
    "case_17_conditional_definition": ["flag = True", "if flag:\n    x = 2", "print(x)"],
    "case_18_conditional_redefinition": ["x = 1\nflag = False", "if flag:\n    x = 2", "print(x)"],
    "case_19_import_fallback": [
        "try:\n    import no_such_module as js\nexcept ImportError:\n    import json as js", "text = js.dumps({'a': 1})", "print(js.loads(text))",
    ],
    "case_20_except_as": [
        "e = 1\nwhy = ''", "try:\n    1 / 0\nexcept ZeroDivisionError as problem:\n    why = str(problem)", "print(why, e)",
    ],
    "case_21_import_in_a_step": ["import math\nr = math.sqrt(4)", "print(math.floor(r + 0.5))"],
    "case_22_dotted_import": ["import os.path", "p = os.path.join('a', 'b')", "print(p, os.sep)"],
    "case_23_module_alias": ["import math\nm = math", "print(m.pi)"],
    "case_26_global": ["def setup():\n    global G\n    G = 5", "setup()", "print(G)"],
    "case_27_mutating_a_global": ["log = []\ndef note(x):\n    log.append(x)", "note(1)", "note(2)", "print(log)"],
    "case_28_walrus": ["xs = [1, 5, 9]", "if (n := len(xs)) > 2:\n    big = [last := x for x in xs if x > 2]", "print(n, big, last)"],
    "case_29_match": [
        "point = {'kind': 'p', 'at': (1, 2, 3), 'z': 0}",
        "match point:\n    case {'kind': 'p', 'at': (first, *others), **rest}:\n        pass", "print(first, others, rest)",
    ],
    "case_29_starred": ["a, *b = [1, 2, 3]\n(c, [d, e]) = 4, [5, 6]", "print(a, b, c, d, e)"],
    "case_31_loop_target": ["for i in range(3):\n    pass", "print(i)"],
    "case_32_formats": ["w = 8\nv = 3.14159", "text = f'{v:{w}.2f}|{v!r:>{w + 2}}'", "print(text)"],
    "case_33_annotations": ["x: int\ny: int = 4", "def f(a: 'Undefined') -> int:\n    return a + y", "print(f(1))"],
    "case_34_shadowed_builtins": ["list = [3, 1, 2]\nmax = 10", "out = sorted(list)", "print(out, max)"],
    "case_35_delete_and_reuse": ["x = 1\ny = 2", "del x\nz = y", "x = 7", "print(x, y, z)"],
    "case_43_reassigned": ["lr = 1", "lr = lr * 10", "print(lr)"],
    "case_45_texts": [
        "lr = 1\nLR = 2\ns = 'quote \\' and \" and\\nline {{x}} $HOME $(pwd) {{$}} \\\\ \\u2028'\nt = '''three \"\"\" quotes'''",
        "print(lr, LR, repr(s), repr(t))",
    ],
    "case_49_redefinition": ["x = 1", "x = 2", "print(x)"],
    "case_51_internal_names": [
        "report = 1\nmetrics = 2\nprogram = 3\nsession = 4\nrandom_state = 5\ninputs = 6",
        "print(report, metrics, program, session, random_state, inputs)",
    ],
    "case_56_values": [
        "import collections, datetime, decimal, enum, dataclasses\nclass Color(enum.Enum):\n    RED = 1\n"
        "@dataclasses.dataclass(frozen=True)\nclass P:\n    x: int\n    y: tuple = (1, 2)",
        "Q = collections.namedtuple('Q', 'a b')\nvalues = [(1, 2), {1: 'a', (2, 3): None}, {1, 2}, b'x', 1j, float('inf'), -0.0, Color.RED, P(3),"
        " Q(1, 2), datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc), decimal.Decimal('1.10'), range(3), 2**100]",
        "print(values, values[7] is Color.RED, values[8] == P(3), type(values[9]) is Q)",
    ],
    "case_61_random_state": [
        "import random\nrandom.seed(7)", "a = random.random()", "b = [random.randint(0, 9) for _ in range(5)]", "random.shuffle(b)",
        "print(a, b, random.random())",
    ],
    "case_62_environment": ["import os\nos.environ['TIDEMILL_CASE'] = 'set'", "print(os.environ['TIDEMILL_CASE'])"],
    "shared_closure_cells": [
        "def make():\n    n = [0]\n    total = 0\n    def add(v):\n        nonlocal total\n        total += v\n    def get():\n        return total\n    return add, get",
        "add, get = make()\nadd(3)", "print(get())",
    ],
    "recursive_inner_function": [
        "def make(k):\n    def down(n):\n        return 0 if n == 0 else k + down(n - 1)\n    return down", "f = make(2)", "print(f(5))",
    ],
    "inheritance_over_steps": [
        "class A:\n    def who(self):\n        return 'A' + tail", "class B(A):\n    def who(self):\n        return super().who() + 'B'", "tail = '!'\nb = B()",
        "print(b.who(), isinstance(b, A))", "tail = '?'", "print(b.who())",
    ],
    "object_changed_by_its_method": [
        "class Box:\n    def __init__(self):\n        self.items = []\n    def put(self, x):\n        self.items.append(x)", "box = Box()", "box.put(1)", "box.put(2)",
        "print(box.items)",
    ],
    "try_defines": ["try:\n    x\nexcept NameError:\n    x = 5", "print(x)"],
    "future_annotations": ["from __future__ import annotations\ndef f(a: Missing) -> Missing:\n    return a", "print(f(1))"],
    "generator_function": ["def gen(n):\n    for i in range(n):\n        yield i * k", "k = 2", "print(list(gen(3)))"],
    "loop_with_break": ["for i in range(5):\n    found = i\n    if i == 2:\n        break\nelse:\n    found = -1", "print(found, i)"],
    "nested_function_reads_global": ["k = 1\ndef outer():\n    def inner():\n        return k\n    return inner", "f = outer()", "k = 9", "print(f())"],
    "property_and_static": [
        "factor = 3\nclass R:\n    def __init__(self, w):\n        self.w = w\n    @property\n    def area(self):\n        return self.w * factor\n    @staticmethod\n"
        "    def unit():\n        return R(1)\n    @classmethod\n    def of(cls, w):\n        return cls(w)",
        "r = R.of(4)", "print(r.area, R.unit().area)",
    ],
    "star_arguments": ["def f(*a, **k):\n    return a, sorted(k), extra", "extra = 1", "args = [1, 2]\nopts = {'z': 1}", "print(f(*args, **opts))"],
    "chained_assignment": ["a = b = []", "a.append(1)", "print(b, a is b)"],
    "json_keys": ["d = {1: 'a', '1': 'b'}\nt = {'k': (1, [2])}", "print(d, t, type(t['k']).__name__)"],
}  # fmt: skip
"""Name -> cells."""
