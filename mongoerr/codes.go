package mongoerr

import "fmt"

// Codes by their MongoDB names.
const (
	InternalError                     int32 = 1
	BadValue                          int32 = 2
	NoSuchKey                         int32 = 4
	HostUnreachable                   int32 = 6
	HostNotFound                      int32 = 7
	UnknownError                      int32 = 8
	FailedToParse                     int32 = 9
	UserNotFound                      int32 = 11
	UnsupportedFormat                 int32 = 12
	Unauthorized                      int32 = 13
	TypeMismatch                      int32 = 14
	Overflow                          int32 = 15
	InvalidLength                     int32 = 16
	ProtocolError                     int32 = 17
	AuthenticationFailed              int32 = 18
	CannotReuseObject                 int32 = 19
	IllegalOperation                  int32 = 20
	InvalidBSON                       int32 = 22
	LockTimeout                       int32 = 24
	NamespaceNotFound                 int32 = 26
	AmbiguousIndexKeyPattern          int32 = 181
	IndexNotFound                     int32 = 27
	PathNotViable                     int32 = 28
	RoleNotFound                      int32 = 31
	CannotBackfillArray               int32 = 34
	ConflictingUpdateOperators        int32 = 40
	CursorNotFound                    int32 = 43
	NoMatchingDocument                int32 = 47
	NamespaceExists                   int32 = 48
	MaxTimeMSExpired                  int32 = 50
	DollarPrefixedFieldName           int32 = 52
	InvalidIDField                    int32 = 53
	NotSingleValueField               int32 = 54
	InvalidDBRef                      int32 = 55
	EmptyFieldName                    int32 = 56
	DottedFieldName                   int32 = 57
	CommandNotFound                   int32 = 59
	ShardKeyNotFound                  int32 = 61
	WriteConcernFailed                int32 = 64
	MultipleErrorsOccurred            int32 = 65
	ImmutableField                    int32 = 66
	CannotCreateIndex                 int32 = 67
	IndexAlreadyExists                int32 = 68
	AuthSchemaIncompatible            int32 = 69
	InvalidOptions                    int32 = 72
	InvalidNamespace                  int32 = 73
	IndexOptionsConflict              int32 = 85
	IndexKeySpecsConflict             int32 = 86
	NetworkTimeout                    int32 = 89
	ShutdownInProgress                int32 = 91
	OperationFailed                   int32 = 96
	WriteConflict                     int32 = 112
	CommandNotSupported               int32 = 115
	NamespaceNotSharded               int32 = 118
	DocumentValidationFailure         int32 = 121
	CappedPositionLost                int32 = 136
	CommandNotSupportedOnView         int32 = 166
	OptionNotSupportedOnView          int32 = 167
	InvalidPipelineOperator           int32 = 168
	QueryExceededMemoryLimitNoDiskUse int32 = 292
	BufferTooLarge                    int32 = 13548
	ExceededMemoryLimit               int32 = 146
	ViewDepthLimitExceeded            int32 = 165
	PrimarySteppedDown                int32 = 189
	InvalidViewDefinition             int32 = 182
	InvalidIndexSpecificationOption   int32 = 197
	InvalidResumeToken                int32 = 260
	TransactionTooOld                 int32 = 225
	ConversionFailure                 int32 = 241
	CursorKilled                      int32 = 237
	NoSuchTransaction                 int32 = 251
	TransactionCommitted              int32 = 256
	TransactionTooLarge               int32 = 257
	OperationNotSupportedInTxn        int32 = 263
	TooManyLogicalSessions            int32 = 261
	NoSuchSession                     int32 = 206
	ExceededTimeLimit                 int32 = 262
	ChangeStreamFatalError            int32 = 280
	ChangeStreamHistoryLost           int32 = 286
	IndexBuildAborted                 int32 = 276
	ClientDisconnect                  int32 = 279
	BSONObjectTooLarge                int32 = 10334
	DuplicateKey                      int32 = 11000
	OutOfDiskSpace                    int32 = 14031
	InterruptedAtShutdown             int32 = 11600
	Interrupted                       int32 = 11601
	NotWritablePrimary                int32 = 10107
	ChangeEventNotSplit               int32 = 7182500 // $changeStreamSplitLargeEvent: a field alone is too large
)

// CodeName gives the server's name of a code; LocationNNN where it has none.
func CodeName(code int32) string {
	if n, ok := codeNames[code]; ok {
		return n
	}
	return fmt.Sprintf("Location%d", code)
}

var codeNames = map[int32]string{
	1: "InternalError", 2: "BadValue", 4: "NoSuchKey", 5: "GraphContainsCycle", 6: "HostUnreachable", 7: "HostNotFound",
	8: "UnknownError", 9: "FailedToParse", 10: "CannotMutateObject", 11: "UserNotFound", 12: "UnsupportedFormat",
	13: "Unauthorized", 14: "TypeMismatch", 15: "Overflow", 16: "InvalidLength", 17: "ProtocolError",
	18: "AuthenticationFailed", 19: "CannotReuseObject", 20: "IllegalOperation", 21: "EmptyArrayOperation", 22: "InvalidBSON",
	23: "AlreadyInitialized", 24: "LockTimeout", 25: "RemoteValidationError", 26: "NamespaceNotFound", 27: "IndexNotFound",
	28: "PathNotViable", 29: "NonExistentPath", 30: "InvalidPath", 31: "RoleNotFound", 32: "RolesNotRelated",
	33: "PrivilegeNotFound", 34: "CannotBackfillArray", 35: "UserModificationFailed", 36: "RemoteChangeDetected",
	37: "FileRenameFailed", 38: "FileNotOpen", 39: "FileStreamFailed", 40: "ConflictingUpdateOperators", 41: "FileAlreadyOpen",
	42: "LogWriteFailed", 43: "CursorNotFound", 45: "UserDataInconsistent", 46: "LockBusy", 47: "NoMatchingDocument",
	48: "NamespaceExists", 49: "InvalidRoleModification", 50: "MaxTimeMSExpired", 51: "ManualInterventionRequired",
	52: "DollarPrefixedFieldName", 53: "InvalidIdField", 54: "NotSingleValueField", 55: "InvalidDBRef", 56: "EmptyFieldName",
	57: "DottedFieldName", 58: "RoleModificationFailed", 59: "CommandNotFound", 61: "ShardKeyNotFound",
	62: "OplogOperationUnsupported", 63: "StaleShardVersion", 64: "WriteConcernFailed", 65: "MultipleErrorsOccurred",
	66: "ImmutableField", 67: "CannotCreateIndex", 68: "IndexAlreadyExists", 69: "AuthSchemaIncompatible", 70: "ShardNotFound",
	71: "ReplicaSetNotFound", 72: "InvalidOptions", 73: "InvalidNamespace", 74: "NodeNotFound", 75: "WriteConcernLegacyOK",
	76: "NoReplicationEnabled", 77: "OperationIncomplete", 78: "CommandResultSchemaViolation", 79: "UnknownReplWriteConcern",
	80: "RoleDataInconsistent", 81: "NoMatchParseContext", 82: "NoProgressMade", 83: "RemoteResultsUnavailable",
	85: "IndexOptionsConflict", 86: "IndexKeySpecsConflict", 87: "CannotSplit", 89: "NetworkTimeout", 90: "CallbackCanceled",
	91: "ShutdownInProgress", 92: "SecondaryAheadOfPrimary", 93: "InvalidReplicaSetConfig", 94: "NotYetInitialized",
	95: "NotSecondary", 96: "OperationFailed", 97: "NoProjectionFound", 98: "DBPathInUse", 100: "UnsatisfiableWriteConcern",
	101: "OutdatedClient", 107: "LockFailed", 111: "NotExactValueField", 112: "WriteConflict", 115: "CommandNotSupported",
	116: "DocTooLargeForCapped", 117: "ConflictingOperationInProgress", 118: "NamespaceNotSharded", 120: "OplogStartMissing",
	121: "DocumentValidationFailure", 123: "NotAReplicaSet", 125: "CommandFailed", 133: "FailedToSatisfyReadPreference",
	134: "ReadConcernMajorityNotAvailableYet", 135: "StaleTerm", 136: "CappedPositionLost", 139: "JSInterpreterFailure",
	140: "InvalidSSLConfiguration", 141: "SSLHandshakeFailed", 143: "CursorInUse", 146: "ExceededMemoryLimit",
	147: "ZLibError", 148: "ReadConcernMajorityNotEnabled", 150: "StaleEpoch", 151: "OperationCannotBeBatched",
	159: "DurationOverflow", 160: "MaxStalenessOutOfRange", 161: "IncompatibleCollationVersion", 162: "CollectionIsEmpty",
	165: "ViewDepthLimitExceeded", 166: "CommandNotSupportedOnView", 167: "OptionNotSupportedOnView",
	168: "InvalidPipelineOperator", 169: "CommandOnShardedViewNotSupportedOnMongod", 170: "TooManyMatchingDocuments",
	171: "CannotIndexParallelArrays", 172: "TransportSessionClosed", 173: "TransportSessionNotFound",
	174: "TransportSessionUnknown", 175: "QueryPlanKilled", 176: "FileOpenFailed", 181: "AmbiguousIndexKeyPattern",
	182: "InvalidViewDefinition", 183: "ClientMetadataMissingField", 184: "ClientMetadataAppNameTooLarge",
	185: "ClientMetadataDocumentTooLarge", 186: "ClientMetadataCannotBeMutated", 187: "LinearizableReadConcernError",
	189: "PrimarySteppedDown", 192: "FailPointEnabled", 193: "NoShardingEnabled", 195: "ViewPipelineMaxSizeExceeded",
	197: "InvalidIndexSpecificationOption", 201: "CannotBuildIndexKeys", 202: "NetworkInterfaceExceededTimeLimit",
	203: "ShardingStateNotInitialized", 204: "TimeProofMismatch", 205: "ClusterTimeFailsRateLimiter", 206: "NoSuchSession",
	207: "InvalidUUID", 208: "TooManyLocks", 209: "StaleClusterTime", 210: "CannotVerifyAndSignLogicalTime",
	211: "KeyNotFound", 213: "DuplicateSession", 214: "AuthenticationRestrictionUnmet", 215: "DatabaseDropPending",
	216: "ElectionInProgress", 217: "IncompleteTransactionHistory", 218: "UpdateOperationFailed", 221: "IndexModified",
	222: "CloseChangeStream", 223: "IllegalOpMsgFlag", 224: "QueryFeatureNotAllowed", 225: "TransactionTooOld",
	226: "AtomicityFailure", 227: "CannotImplicitlyCreateCollection", 232: "MaxSubPipelineDepthExceeded",
	233: "TooManyDocumentSequences", 234: "RetryChangeStream", 235: "InternalErrorNotSupported", 237: "CursorKilled",
	238: "NotImplemented", 239: "SnapshotTooOld", 241: "ConversionFailure", 242: "CannotCreateCollection",
	244: "TransactionAborted", 246: "SnapshotUnavailable", 247: "ProducerConsumerQueueBatchTooLarge", 249: "StaleDbVersion",
	250: "StaleChunkHistory", 251: "NoSuchTransaction", 256: "TransactionCommitted", 257: "TransactionTooLarge",
	258: "UnknownFeatureCompatibilityVersion", 260: "InvalidResumeToken", 261: "TooManyLogicalSessions",
	262: "ExceededTimeLimit", 263: "OperationNotSupportedInTransaction", 264: "TooManyFilesOpen", 266: "FailPointSetFailed",
	267: "PreparedTransactionInProgress", 272: "MigrationConflict", 276: "IndexBuildAborted", 277: "AlarmAlreadyFulfilled",
	278: "UnsatisfiableCommitQuorum", 279: "ClientDisconnect", 280: "ChangeStreamFatalError",
	285: "IndexBuildAlreadyInProgress", 286: "ChangeStreamHistoryLost", 288: "ChecksumMismatch",
	290: "TransactionExceededLifetimeLimitSeconds", 291: "NoQueryExecutionPlans",
	292: "QueryExceededMemoryLimitNoDiskUseAllowed", 314: "ObjectIsBusy", 322: "APIVersionError", 323: "APIStrictError", 347: "APIMismatchError",
	324: "APIDeprecationError", 334: "MechanismUnavailable", 337: "AuthenticationAbandoned", 352: "UnsupportedOpQueryCommand", 359: "CannotConvertIndexToUnique",
	361: "CollectionUUIDMismatch", 365: "TemporarilyUnavailable", 391: "ReauthenticationRequired", 9001: "SocketException",
	10003: "CannotGrowDocumentInCappedNamespace", 10107: "NotWritablePrimary", 10334: "BSONObjectTooLarge",
	11000: "DuplicateKey", 11600: "InterruptedAtShutdown", 11601: "Interrupted", 11602: "InterruptedDueToReplStateChange",
	12586: "BackgroundOperationInProgressForDatabase", 12587: "BackgroundOperationInProgressForNamespace",
	13113: "MergeStageNoMatchingDocument", 13297: "DatabaseDifferCase", 13388: "StaleConfig", 13435: "NotPrimaryNoSecondaryOk",
	13436: "NotPrimaryOrSecondary", 14031: "OutOfDiskSpace",
}
