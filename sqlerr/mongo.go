package sqlerr

import (
	"errors"

	"weir/mongoerr"
)

// mongoStates is the one table from MongoDB's codes to SQLSTATEs. What it does
// not name is XX000 with the server's own words.
var mongoStates = map[int32]string{
	mongoerr.BadValue:                          InvalidParameterValue,
	mongoerr.HostUnreachable:                   ConnectionFailure,
	mongoerr.HostNotFound:                      ConnectionFailure,
	mongoerr.FailedToParse:                     InvalidParameterValue,
	mongoerr.Unauthorized:                      InsufficientPrivilege,
	mongoerr.TypeMismatch:                      DatatypeMismatch,
	mongoerr.Overflow:                          NumericValueOutOfRange,
	mongoerr.AuthenticationFailed:              InvalidPassword,
	mongoerr.LockTimeout:                       LockNotAvailable,
	mongoerr.NamespaceNotFound:                 UndefinedTable,
	mongoerr.IndexNotFound:                     UndefinedObject,
	mongoerr.CursorNotFound:                    QueryCanceled,
	mongoerr.NamespaceExists:                   DuplicateTable,
	mongoerr.MaxTimeMSExpired:                  QueryCanceled,
	mongoerr.InvalidNamespace:                  InvalidName,
	mongoerr.IndexOptionsConflict:              DuplicateObject,
	mongoerr.IndexKeySpecsConflict:             DuplicateObject,
	mongoerr.NetworkTimeout:                    ConnectionFailure,
	mongoerr.ShutdownInProgress:                AdminShutdown,
	mongoerr.WriteConflict:                     SerializationFailure,
	mongoerr.DocumentValidationFailure:         CheckViolation,
	mongoerr.PrimarySteppedDown:                ConnectionFailure,
	mongoerr.NoSuchTransaction:                 SerializationFailure,
	mongoerr.TransactionTooLarge:               ProgramLimitExceeded,
	mongoerr.ConversionFailure:                 NumericValueOutOfRange,
	mongoerr.ExceededTimeLimit:                 QueryCanceled,
	mongoerr.QueryExceededMemoryLimitNoDiskUse: OutOfMemory,
	mongoerr.ExceededMemoryLimit:               OutOfMemory,
	mongoerr.BufferTooLarge:                    ProgramLimitExceeded,
	mongoerr.BSONObjectTooLarge:                ProgramLimitExceeded,
	mongoerr.DuplicateKey:                      UniqueViolation,
	mongoerr.InterruptedAtShutdown:             AdminShutdown,
	mongoerr.Interrupted:                       QueryCanceled,
	mongoerr.NotWritablePrimary:                ReadOnlySQLTransaction,
	17419:                                      ProgramLimitExceeded, // an update made a document larger than 16 MiB
	17420:                                      ProgramLimitExceeded, // an upsert made a document larger than 16 MiB
	16608:                                      DivisionByZero,       // $divide by zero
	4848401:                                    DivisionByZero,       // $divide by zero (newer servers)
	16610:                                      DivisionByZero,       // $mod by zero
}

// State gives the SQLSTATE of a MongoDB code.
func State(code int32) string {
	if s, ok := mongoStates[code]; ok {
		return s
	}
	return InternalError
}

func fromMongo(err error) *Error {
	var m *mongoerr.Error
	if !errors.As(err, &m) {
		return nil
	}
	state := State(m.Code)
	if m.HasLabel("TransientTransactionError") {
		state = SerializationFailure
	}
	e := New(state, "%s", m.Message).Because(err)
	if m.Code == mongoerr.HostUnreachable {
		e.Message = "the connection to the MongoDB server failed"
		return e.WithDetail("%s", m.Message)
	}
	if m.Code == mongoerr.CursorNotFound {
		e.Message = "the MongoDB server has ended the query's cursor"
		e = e.WithHint("It was killed, or idle for longer than cursorTimeoutMillis, 10 minutes by default. Run the query again.")
	}
	if m.Code == mongoerr.NoSuchTransaction {
		e = e.WithHint("MongoDB ends transactions that are open longer than transactionLifetimeLimitSeconds, 60 s by default. Do the work in smaller ones, or raise the limit.")
	}
	return e.WithDetail("MongoDB error %d (%s).", m.Code, m.Name)
}
