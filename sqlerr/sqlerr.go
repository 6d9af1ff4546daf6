// Package sqlerr holds the one error type that a SQL client can see, the
// SQLSTATE codes in use, and the one table from MongoDB's codes to SQLSTATEs.
//
// Fields are those of the protocol's ErrorResponse (PostgreSQL manual,
// "Error and Notice Message Fields").
package sqlerr

import (
	"context"
	"errors"
	"fmt"
	"syscall"
)

// Error is an error or a notice as the client sees it. Severity is empty for
// ERROR; notices set it (WARNING, NOTICE, INFO, DEBUG, LOG) and fatal errors
// say FATAL.
type Error struct {
	Severity   string
	Code       string // SQLSTATE
	Message    string
	Detail     string
	Hint       string
	Position   int // 1-based, in characters of the statement's text; 0: none
	Where      string
	Schema     string
	Table      string
	Column     string
	DataType   string
	Constraint string
	Routine    string
	cause      error
}

// New makes an error with a code and a message.
func New(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Notice makes a notice of a severity (WARNING, NOTICE, …).
func Notice(severity, code, format string, args ...any) *Error {
	return &Error{Severity: severity, Code: code, Message: fmt.Sprintf(format, args...)}
}

// Unsupported makes a 0A000 whose hint says what to write instead.
func Unsupported(pos int, hint, format string, args ...any) *Error {
	return New(FeatureNotSupported, format, args...).At(pos).WithHint("%s", hint)
}

func (e *Error) Error() string { return e.Message }
func (e *Error) Unwrap() error { return e.cause }

// SQLState gives the code, the way pgconn.PgError does.
func (e *Error) SQLState() string { return e.Code }

// At sets the position unless one is set, and returns e.
func (e *Error) At(pos int) *Error {
	if e.Position == 0 {
		e.Position = pos
	}
	return e
}

// WithHint sets the hint and returns e.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// WithDetail sets the detail and returns e.
func (e *Error) WithDetail(format string, args ...any) *Error {
	e.Detail = fmt.Sprintf(format, args...)
	return e
}

// Because keeps the error that caused this one and returns e.
func (e *Error) Because(err error) *Error {
	e.cause = err
	return e
}

// As finds the client-visible error in err's chain or makes one: a MongoDB
// error by its code, a cancelled context as 57014, anything else as XX000.
func As(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	if m := fromMongo(err); m != nil {
		return m
	}
	switch {
	case errors.Is(err, context.Canceled):
		return New(QueryCanceled, "canceling statement due to user request").Because(err)
	case errors.Is(err, context.DeadlineExceeded):
		return New(QueryCanceled, "canceling statement due to statement timeout").Because(err)
	}
	if errors.Is(err, syscall.ENOSPC) {
		return New(DiskFull, "%s", err.Error()).Because(err).
			WithHint("The rows of a sort, a group, a join or a WITH query did not fit into work_mem. Free space in the directory for temporary files (--temp-dir), or narrow the query down.")
	}
	return New(InternalError, "%s", err.Error()).Because(err)
}
