package translator

import (
	"errors"
	"strings"

	"weir/engine/expr"
	"weir/mongoerr"
	"weir/sqlerr"
)

// MapError gives PostgreSQL's words to what pipelines fail with.
func MapError(err error) error {
	if err == nil {
		return nil
	}
	var own *sqlerr.Error
	if errors.As(err, &own) {
		return err
	}
	var m *mongoerr.Error
	if !errors.As(err, &m) {
		return sqlerr.As(err)
	}
	switch {
	case strings.Contains(m.Message, TooManyRows):
		return sqlerr.New(sqlerr.CardinalityViolation, "more than one row returned by a subquery used as an expression").Because(err)
	case strings.Contains(m.Message, notWhole):
		_, what, _ := strings.Cut(m.Message, notWhole)
		what, _, _ = strings.Cut(what, "'")
		return sqlerr.New(sqlerr.FeatureNotSupported, "cannot convert %s", what).Because(err)
	case strings.Contains(m.Message, outOfRange), m.Code == 28680: // $abs of the least bigint
		return sqlerr.New(sqlerr.NumericValueOutOfRange, "bigint out of range").Because(err)
	case strings.Contains(m.Message, numericOutOfRange):
		return sqlerr.New(sqlerr.NumericValueOutOfRange, "value overflows numeric format").Because(err)
	case strings.Contains(m.Message, floatOutOfRange):
		what := "overflow"
		if strings.Contains(m.Message, floatOutOfRange+"underflow") {
			what = "underflow"
		}
		return sqlerr.New(sqlerr.NumericValueOutOfRange, "value out of range: %s", what).Because(err)
	case m.Code == mongoerr.InvalidPipelineOperator && strings.Contains(m.Message, expr.LocalPrefix):
		return sqlerr.New(sqlerr.FeatureNotSupported, "a function of this statement is not supported yet").WithDetail("%s", m.Message).Because(err)
	case m.Code == mongoerr.ConversionFailure:
		return conversion(m)
	case sqlerr.State(m.Code) == sqlerr.DivisionByZero:
		return sqlerr.New(sqlerr.DivisionByZero, "division by zero").Because(err)
	}
	return sqlerr.As(err)
}

// conversion is a number that left the range of its type.
func conversion(m *mongoerr.Error) error {
	for _, word := range []string{"overflow", "infinity", "NaN"} {
		if strings.Contains(m.Message, word) {
			return sqlerr.New(sqlerr.NumericValueOutOfRange, "integer out of range").Because(m)
		}
	}
	return sqlerr.As(m)
}

// outOfRange begins the text that a bigint out of range fails to convert from.
const outOfRange = "weir: bigint out of range: "
