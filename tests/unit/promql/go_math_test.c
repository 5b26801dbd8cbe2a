/* Values as Go 1.19 computes them on x86-64 with FMA; most of them are such that the C library
 * rounds them otherwise. */
#include "tsdb/promql/go_math.h"

#include <criterion/criterion.h>
#include <math.h>

static const struct {
    const char *name;
    double (*fn)(double x);
    double x, y;
} values[] = {
    {"exp", go_exp, -0x1.3cfdb73040bd4p-2, 0x1.77b083a0930b0p-1},
    {"exp", go_exp, 0x1.2f3c616bf9136p-2, 0x1.583a8b0880c98p+0},
    {"exp", go_exp, -0x1.2ecb9a2bc3262p+4, 0x1.9f2131ebd8a20p-28},
    {"exp", go_exp, 0x1.b39f363057d32p-1, 0x1.2bb8c05a2e699p+1},
    {"exp", go_exp, 0x1.1c2b50e558f28p-2, 0x1.51e0e6e490e01p+0},
    {"exp", go_exp, 0x1.d5002f9701c60p-23, 0x1.000003aa0065ep+0},
    {"exp", go_exp, 0x1.a4e5aaafd6557p-2, 0x1.8224cf2e8f5cdp+0},
    {"exp", go_exp, -0x1.d1428adc76267p+131, 0x0.0p+0},
    {"log", go_log, 0x1.6a2deaa7a1280p-7, -0x1.20530956ef33cp+2},
    {"log", go_log, 0x1.7f9a39118bdfcp+4, 0x1.96a8864f3cb70p+1},
    {"log", go_log, 0x1.8090a31103509p-1, -0x1.2514b6cc79f3ap-2},
    {"log", go_log, 0x1.8cec88be6a162p-2, -0x1.e53c7bb8f5462p-1},
    {"log", go_log, 0x1.666b606caff9ep-1, -0x1.6d2dfa5562b70p-2},
    {"log", go_log, 0x1.007c7577589f2p-1, -0x1.61eb816f5e8b2p-1},
    {"log", go_log, 0x1.0c448e54bb700p-3, -0x1.042d53a62f8c6p+1},
    {"log", go_log, 0x1.fc7e9f2347e96p+270, 0x1.77ac0a47cbdddp+7},
    {"log1p", go_log1p, 0x1.19b85bc20925fp-2, 0x1.f1be032bdf9d8p-3},
    {"log1p", go_log1p, 0x1.83482752b7ba4p-2, 0x1.487b0b714afb7p-2},
    {"log1p", go_log1p, 0x1.0309cbd858e2ap-1, 0x1.a33d42d37f9d6p-2},
    {"log1p", go_log1p, -0x1.82e96b9e8854cp-3, -0x1.acd512474f453p-3},
    {"log1p", go_log1p, -0x1.9e212275c8c10p-3, -0x1.ceaae96437e64p-3},
    {"log1p", go_log1p, 0x1.258476ae78824p+181, 0x1.f662b67e42610p+6},
    {"log1p", go_log1p, 0x1.bb3bb9f1705b1p-757, 0x1.bb3bb9f1705b1p-757},
    {"log1p", go_log1p, -0x1.fe20edf1b2e03p-455, -0x1.fe20edf1b2e03p-455},
    {"sin", go_sin, 0x1.618c26fc9df75p+807, 0x1.899611cd77f7ep-1},
    {"sin", go_sin, -0x1.2966db62a25b8p+365, 0x1.f14d9168cb566p-1},
    {"sin", go_sin, 0x1.330275d170509p+897, -0x1.376045d32fca1p-2},
    {"sin", go_sin, -0x1.2f51119099ba3p+680, 0x1.5c2922239c848p-7},
    {"sin", go_sin, 0x1.93778aca42e26p+2, 0x1.57cf100959059p-6},
    {"sin", go_sin, 0x1.852f3ff106ad7p+2, -0x1.9b3e04d205243p-3},
    {"sin", go_sin, -0x1.7ad73088b4e3cp+0, -0x1.fde2433ef8299p-1},
    {"sin", go_sin, -0x1.321b818e29198p-4, -0x1.31d29510c9cddp-4},
    {"sin", go_sin, 0x1.7e43c8800759cp+996, -0x1.a2c16b010e386p-1},
    {"sin", go_sin, 0x1.7084e180e4e01p+887, 0x1.0ee950fc7cc1cp-2},
    {"sin", go_sin, -0x1.9a059853df153p+938, 0x1.77a4ee2dfccdap-4},
    {"cos", go_cos, -0x1.503ee59e65d88p-1, 0x1.95801a89e95c2p-1},
    {"cos", go_cos, 0x1.b8914392202a4p-2, 0x1.d156c08c60707p-1},
    {"cos", go_cos, -0x1.b561584774882p+4, -0x1.2ec50b80a8d60p-1},
    {"cos", go_cos, 0x1.01887fb92c5e4p+2, -0x1.4549aae3ed092p-1},
    {"cos", go_cos, 0x1.b31558bc04d00p-2, 0x1.d279d296f8541p-1},
    {"cos", go_cos, 0x1.bcf0eb66bba70p+625, 0x1.2a0978280f5eap-1},
    {"cos", go_cos, 0x1.28aa28643d56cp+0, 0x1.9a01a42b0a1cfp-2},
    {"cos", go_cos, -0x1.7e8988d42230fp-1, 0x1.779ec82a0d84ap-1},
    {"cos", go_cos, -0x1.7cd256bf355b4p+267, 0x1.ca3e8012c89dep-1},
    {"cos", go_cos, 0x1.012d5fb996001p+988, -0x1.1e4deef4775b7p-3},
    {"cos", go_cos, 0x1.be2dc78562c22p+623, 0x1.e9ca41e2b2ce9p-3},
    {"tan", go_tan, 0x1.10a46adade200p+1, -0x1.9908a1ab9f642p+0},
    {"tan", go_tan, -0x1.d57e37b113db7p+324, 0x1.ed5fc709002fdp+0},
    {"tan", go_tan, -0x1.75bed879b4ec5p+3, 0x1.3a035d8525e3ap+0},
    {"tan", go_tan, -0x1.8a42bdbdd0487p+1, 0x1.f7e02f03cab69p-5},
    {"tan", go_tan, -0x1.9b7242e93fcc4p-1, -0x1.097f164baf743p+0},
    {"tan", go_tan, -0x1.b0b70063eb991p-134, -0x1.b0b70063eb991p-134},
    {"tan", go_tan, 0x1.f1e6a1a83fb60p-2, 0x1.0e9f05c31892dp-1},
    {"tan", go_tan, -0x1.abe9c45cba86dp+0, 0x1.3c936fda540a5p+3},
    {"tan", go_tan, 0x1.7e43c8800759cp+996, 0x1.6be411f37ac76p+0},
    {"tan", go_tan, 0x1.e0fd034992e16p+774, -0x1.d97e128f03673p-1},
    {"tan", go_tan, 0x1.f30be9f0d0519p+464, 0x1.64f4116a52fc1p+2},
    {"asin", go_asin, -0x1.c558016b85c2ap-1, -0x1.16620bb10c006p+0},
    {"asin", go_asin, -0x1.de3f67d07e773p-1, -0x1.34a6933e72e34p+0},
    {"asin", go_asin, -0x1.06083a3f99f7ep-2, -0x1.08fabfa7db355p-2},
    {"asin", go_asin, 0x1.18db697270e42p-3, 0x1.19beb479cd5b0p-3},
    {"asin", go_asin, -0x1.dd116353ab393p-1, -0x1.33032c288428bp+0},
    {"asin", go_asin, 0x1.d1d23a46c16b0p-646, 0x1.d1d23a46c16b0p-646},
    {"asin", go_asin, -0x1.806417cc67308p-1, -0x1.b2cc9e4d4cea8p-1},
    {"asin", go_asin, -0x1.5fb73736b77d8p-4, -0x1.60263b882d415p-4},
    {"acos", go_acos, -0x1.a4bb5a94a2520p-2, 0x1.fe844047fb7bap+0},
    {"acos", go_acos, -0x1.88c86dd717400p-10, 0x1.9281e76221069p+0},
    {"acos", go_acos, -0x1.265c8ed1259a8p-1, 0x1.1776a8d0e424cp+1},
    {"acos", go_acos, -0x1.1c0ae8faa8340p-1, 0x1.14564d2e90114p+1},
    {"acos", go_acos, 0x1.02818dcd9157ap-1, 0x1.0aa2210c18473p+0},
    {"acos", go_acos, 0x1.afc02a298c66dp-436, 0x1.921fb54442d18p+0},
    {"acos", go_acos, 0x1.4a878534616d0p-1, 0x1.bcf1ebe503da1p-1},
    {"acos", go_acos, 0x1.9a7f7bcdb93c0p-1, 0x1.47f9167e91446p-1},
    {"atan", go_atan, -0x1.17056d1a683e0p+2, -0x1.58671b310d82fp+0},
    {"atan", go_atan, -0x1.07bfceb07f1c0p+4, -0x1.829ceb5753638p+0},
    {"atan", go_atan, -0x1.7010fe0f20002p+3, -0x1.7bec3e8b10d2bp+0},
    {"atan", go_atan, -0x1.0dd1b7ed7514fp+2, -0x1.5680e7e5da989p+0},
    {"atan", go_atan, 0x1.d33d223bd56dep+0, 0x1.11cf259af1fa5p+0},
    {"atan", go_atan, 0x1.de5c382e83e36p+748, 0x1.921fb54442d18p+0},
    {"atan", go_atan, -0x1.bf3517c44cc73p-496, -0x1.bf3517c44cc73p-496},
    {"atan", go_atan, 0x1.00bac9bc0847ep+1003, 0x1.921fb54442d18p+0},
    {"sinh", go_sinh, 0x1.fa450faeafabcp+4, 0x1.91955300928b4p+44},
    {"sinh", go_sinh, 0x1.5410e8448ca98p-3, 0x1.55a1835f3c3c7p-3},
    {"sinh", go_sinh, 0x1.4783e74b5be7cp-2, 0x1.4d20bafc29691p-2},
    {"sinh", go_sinh, 0x1.4a98afae9cc6cp-2, 0x1.505e9736422eep-2},
    {"sinh", go_sinh, 0x1.b1f1d5b81dcbep-3, 0x1.b532f40858499p-3},
    {"sinh", go_sinh, 0x1.255b0fffca5d2p-1, 0x1.35ac009c33250p-1},
    {"sinh", go_sinh, 0x1.fedcf8d6f9b5ap-757, 0x1.fedcf8d6f9b5ap-757},
    {"sinh", go_sinh, 0x1.b3851c7341770p-4, 0x1.b457505ec2f5ap-4},
    {"cosh", go_cosh, -0x1.3e53361e1a243p+0, 0x1.e0c381b33eae0p+0},
    {"cosh", go_cosh, -0x1.4fce37ddde816p+3, 0x1.19fef9608d4cbp+14},
    {"cosh", go_cosh, 0x1.c12ef0a5dac8ep-1, 0x1.69006f4586e93p+0},
    {"cosh", go_cosh, -0x1.2bcc8b0bc7a30p+3, 0x1.6e20bea53d555p+12},
    {"cosh", go_cosh, -0x1.215cdad932964p-25, 0x1.0000000000002p+0},
    {"cosh", go_cosh, 0x1.b7eebf1248803p+0, 0x1.7058d286ea982p+1},
    {"cosh", go_cosh, -0x1.c09acacb3bd26p-359, 0x1.0000000000000p+0},
    {"cosh", go_cosh, -0x1.badda05ea896cp+4, 0x1.e899c206770efp+38},
    {"tanh", go_tanh, 0x1.aec9d03db6ab4p-2, 0x1.970da7237b22bp-2},
    {"tanh", go_tanh, 0x1.be093d05d169cp-1, 0x1.6767fa658f980p-1},
    {"tanh", go_tanh, 0x1.52701b7f45800p+0, 0x1.bc0ceec938ec9p-1},
    {"tanh", go_tanh, -0x1.28f4719fe7e00p-9, -0x1.28f45053caeb7p-9},
    {"tanh", go_tanh, -0x1.47310150ff53cp-3, -0x1.446f935abf305p-3},
    {"tanh", go_tanh, 0x1.7676d72fd02ffp-849, 0x1.7676d72fd02ffp-849},
    {"tanh", go_tanh, -0x1.5f4853942c248p-145, -0x1.5f4853942c248p-145},
    {"tanh", go_tanh, -0x1.91584b18b1a28p+690, -0x1.0000000000000p+0},
    {"asinh", go_asinh, 0x1.a402a9b833a62p+2, 0x1.4a47379b32b72p+1},
    {"asinh", go_asinh, 0x1.3186cc8676bb3p+4, 0x1.d257006e7e63ep+1},
    {"asinh", go_asinh, 0x1.a3b293cb4804cp+2, 0x1.4a2f149a56f5cp+1},
    {"asinh", go_asinh, 0x1.692d3a91a8ca0p+4, 0x1.e7bbb5c407200p+1},
    {"asinh", go_asinh, -0x1.33fbb369b6579p+1, -0x1.9c9e2fe834acap+0},
    {"asinh", go_asinh, 0x1.a49ea5f289fdap+4, 0x1.fb381661995a2p+1},
    {"asinh", go_asinh, -0x1.1997b6f4d3550p-3, -0x1.18b67c6de43f7p-3},
    {"asinh", go_asinh, -0x1.a50e8c22b96dap-1, -0x1.80060feaef722p-1},
    {"acosh", go_acosh, 0x1.835035b7a6572p+3, 0x1.97abeda4a0c5ep+1},
    {"acosh", go_acosh, 0x1.9ba76c0853e7cp+4, 0x1.f85dd6d241d54p+1},
    {"acosh", go_acosh, 0x1.1e9a5ca6a0310p+3, 0x1.70f1c283bccb4p+1},
    {"acosh", go_acosh, 0x1.834bf4209af84p+4, 0x1.f08da44d210c6p+1},
    {"acosh", go_acosh, 0x1.a79c278e64bf8p+1, 0x1.ddc48ed78d38cp+0},
    {"acosh", go_acosh, 0x1.20ca995d9301cp+643, 0x1.be81df2a2bd39p+8},
    {"acosh", go_acosh, 0x1.233a17a48ac74p+39, 0x1.bdad4feba34efp+4},
    {"acosh", go_acosh, 0x1.143c8c0be1cacp+1011, 0x1.5ec5405cf920ap+9},
    {"atanh", go_atanh, 0x1.cc71e247a667ep-1, 0x1.77f4e7f3a390ap+0},
    {"atanh", go_atanh, -0x1.77268759498aap-3, -0x1.7b6edce84db69p-3},
    {"atanh", go_atanh, 0x1.582ba89051993p-1, 0x1.a1284ded6f1bcp-1},
    {"atanh", go_atanh, 0x1.644554ac3c078p-3, 0x1.67ee6e3efeba2p-3},
    {"atanh", go_atanh, 0x1.6219d8f124510p-4, 0x1.62fcb1dbd4aafp-4},
    {"atanh", go_atanh, -0x1.a0357debb1248p-3, -0x1.a615d33134cbap-3},
    {"atanh", go_atanh, 0x1.1197bef3444e0p-5, 0x1.11b1cdd5740ddp-5},
    {"atanh", go_atanh, 0x1.45d331d603981p-607, 0x1.45d331d603981p-607},
};

Test(go_math, last_digits)
{
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        double y = values[i].fn(values[i].x);
        cr_assert(y == values[i].y, "%s(%.17g): %.17g, not %.17g", values[i].name, values[i].x, y,
                  values[i].y);
    }
}

Test(go_math, special_values)
{
    static double (*const odd[])(double) = {go_sin,  go_tan,  go_asin,  go_atan,
                                            go_sinh, go_tanh, go_asinh, go_atanh};
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        cr_assert(odd[i](0.0) == 0 && !signbit(odd[i](0.0)), "%zu", i);
        cr_assert(odd[i](-0.0) == 0 && signbit(odd[i](-0.0)), "%zu", i);
        cr_assert(isnan(odd[i](NAN)), "%zu", i);
    }
    cr_assert(go_exp(-INFINITY) == 0 && go_exp(INFINITY) == INFINITY && isnan(go_exp(NAN)));
    cr_assert(go_exp(709.79) == INFINITY && go_exp(-746) == 0 && go_exp(-1e300) == 0);
    cr_assert(go_log(0) == -INFINITY && isnan(go_log(-1)) && go_log(INFINITY) == INFINITY);
    cr_assert(go_log1p(-1) == -INFINITY && isnan(go_log1p(-1.5)) && isnan(go_log1p(NAN)));
    cr_assert(isnan(go_sin(INFINITY)) && isnan(go_cos(-INFINITY)) && isnan(go_tan(INFINITY)));
    cr_assert(isnan(go_asin(1.5)) && isnan(go_acos(-1.5)) && isnan(go_acosh(0.5)));
    cr_assert(go_atanh(1) == INFINITY && go_atanh(-1) == -INFINITY && isnan(go_atanh(2)));
    cr_assert(go_tanh(1000) == 1 && go_tanh(-1000) == -1 && go_acosh(1) == 0);
    cr_assert(go_atan2(0.0, -1) == M_PI && go_atan2(1, 0) == M_PI_2 && isnan(go_atan2(NAN, 1)));
}

Test(go_math, denormal_powers)
{
    cr_assert(go_exp(-740) > 0 && go_exp(-740) < 0x1p-1022);
    cr_assert(go_exp(-745.2) == 0);
}
