// Package mongoerr holds the one error type that stands for an error answer of
// a MongoDB server, and the codes that we raise or act on. The engine makes
// these errors, store/remote turns the driver's errors into them, and sqlerr
// maps them to SQLSTATEs. It knows neither BSON nor SQL.
//
// Codes and names: the MongoDB manual, "Error Codes".
package mongoerr

import (
	"errors"
	"fmt"
	"slices"
)

// Error is one error answer of a MongoDB server.
type Error struct {
	Code    int32
	Name    string // codeName; empty for location codes that have none beyond LocationNNN
	Message string
	Labels  []string // errorLabels, such as TransientTransactionError
	// Info is further fields of the reply as a raw BSON document (keyPattern
	// and keyValue of a duplicate key, errInfo of a validation failure), or nil.
	Info []byte
}

// New makes an error of a known code.
func New(code int32, format string, args ...any) *Error {
	return &Error{Code: code, Name: CodeName(code), Message: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string { return e.Message }

// WithLabels adds error labels and returns e.
func (e *Error) WithLabels(labels ...string) *Error {
	e.Labels = append(e.Labels, labels...)
	return e
}

// WithInfo sets the further reply fields (a raw BSON document) and returns e.
func (e *Error) WithInfo(doc []byte) *Error {
	e.Info = doc
	return e
}

// HasLabel tells whether the error carries a label.
func (e *Error) HasLabel(label string) bool { return slices.Contains(e.Labels, label) }

// Is makes errors.Is(err, mongoerr.Code(n)) work.
func (e *Error) Is(target error) bool {
	c, ok := target.(Code)
	return ok && int32(c) == e.Code
}

// Code is a target for errors.Is.
type Code int32

func (c Code) Error() string { return CodeName(int32(c)) }

// CodeOf returns the MongoDB code in an error's chain, or 0.
func CodeOf(err error) int32 {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}
