package executor

import (
	"errors"
	"strconv"
	"strings"

	"weir/engine/expr"
	"weir/mongoerr"
	"weir/sqlerr"
	"weir/translator"
)

// mapError gives PostgreSQL's words to what pipelines fail with.
func mapError(err error) error {
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
	case strings.Contains(m.Message, translator.TooManyRows):
		return sqlerr.New(sqlerr.CardinalityViolation, "more than one row returned by a subquery used as an expression").Because(err)
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
	if !strings.Contains(m.Message, "overflow") && !strings.Contains(m.Message, "infinity") && !strings.Contains(m.Message, "NaN") {
		return sqlerr.As(m)
	}
	fields := strings.Fields(m.Message)
	kind := "bigint"
	if n, err := strconv.ParseFloat(fields[len(fields)-1], 64); err == nil && n > -1<<62 && n < 1<<62 {
		kind = "integer"
	}
	return sqlerr.New(sqlerr.NumericValueOutOfRange, "%s out of range", kind).Because(m)
}
