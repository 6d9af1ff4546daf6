package engine

import "maps"

// newCommandTable is the whole command surface; names are exact.
func newCommandTable() map[string]command {
	all := map[string]command{}
	for _, group := range []map[string]command{
		serverCommands(), toolCommands(), catalogCommands(), readCommands(), writeCommands(), userCommands(), sessionCommands(),
	} {
		maps.Copy(all, group)
	}
	return all
}

// serverCommands are the commands of connections and the server.
func serverCommands() map[string]command {
	return map[string]command{
		"hello":               {run: cmdHello},
		"isMaster":            {run: cmdIsMaster},
		"ismaster":            {run: cmdIsMaster},
		"ping":                {run: cmdPing},
		"buildInfo":           {run: cmdBuildInfo},
		"buildinfo":           {run: cmdBuildInfo},
		"serverStatus":        {run: cmdServerStatus},
		"hostInfo":            {run: cmdHostInfo, admin: true},
		"getParameter":        {run: cmdGetParameter, admin: true},
		"setParameter":        {run: cmdSetParameter, admin: true},
		"getCmdLineOpts":      {run: cmdGetCmdLineOpts, admin: true},
		"connectionStatus":    {run: cmdConnectionStatus},
		"whatsmyuri":          {run: cmdWhatsMyURI},
		"replSetGetStatus":    {run: cmdReplSetGetStatus, admin: true},
		"replSetGetConfig":    {run: cmdReplSetGetConfig, admin: true},
		"getLog":              {run: cmdGetLog, admin: true},
		"currentOp":           {run: cmdCurrentOp, admin: true},
		"killOp":              {run: cmdKillOp, admin: true},
		"fsync":               {run: cmdFsync, admin: true},
		"weirBackup":          {run: cmdWeirBackup, admin: true},
		"listCommands":        {run: cmdListCommands},
		"configureFailPoint":  {run: cmdConfigureFailPoint, admin: true},
		"logout":              {run: cmdLogout},
		"saslStart":           {run: cmdSaslStart},
		"saslContinue":        {run: cmdSaslContinue},
		"authenticate":        {run: cmdAuthenticate},
		"getDefaultRWConcern": {run: cmdGetDefaultRWConcern, admin: true},
		"replSetInitiate":     {run: cmdReplSetInitiate, admin: true},
		"flushRouterConfig":   {run: cmdFlushRouterConfig, admin: true},
		"profile":             {run: cmdProfile},
	}
}

// toolCommands are the commands that tools send.
func toolCommands() map[string]command {
	return map[string]command{
		"top":                            {run: cmdTop, admin: true},
		"dbHash":                         {run: cmdDBHash},
		"dbhash":                         {run: cmdDBHash},
		"features":                       {run: cmdFeatures},
		"logRotate":                      {run: cmdLogRotate, admin: true},
		"connPoolStats":                  {run: cmdConnPoolStats},
		"lockInfo":                       {run: cmdLockInfo, admin: true},
		"getDiagnosticData":              {run: cmdGetDiagnosticData, admin: true},
		"getClusterParameter":            {run: cmdGetClusterParameter, admin: true},
		"setFeatureCompatibilityVersion": {run: cmdSetFCV, admin: true},
		"reIndex":                        {run: cmdReIndex},
		"compact":                        {run: cmdCompact},
		"planCacheClear":                 {run: cmdPlanCacheClear},
		"planCacheClearFilters":          {run: cmdPlanCacheClear},
		"planCacheListFilters":           {run: cmdPlanCacheListFilters},
		"refreshLogicalSessionCacheNow":  {run: cmdNothing},
		"logApplicationMessage":          {run: cmdLogMessage, admin: true, test: true},
		"echo":                           {run: cmdEcho, test: true},
		"sleep":                          {run: cmdSleep, admin: true, test: true},
		"fsyncUnlock":                    {run: cmdFsyncUnlock, admin: true},
	}
}

// catalogCommands are the commands of the catalog.
func catalogCommands() map[string]command {
	return map[string]command{
		"dataSize":        {run: cmdDataSize},
		"datasize":        {run: cmdDataSize},
		"convertToCapped": {run: cmdConvertToCapped, write: true},

		"cloneCollectionAsCapped": {run: cmdCloneCollectionAsCapped, write: true},
		"listDatabases":           {run: cmdListDatabases, admin: true},
		"listCollections":         {run: cmdListCollections},
		"listIndexes":             {run: cmdListIndexes},
		"create":                  {run: cmdCreate, inTxn: true, write: true},
		"collMod":                 {run: cmdCollMod, write: true},
		"drop":                    {run: cmdDrop, write: true},
		"dropDatabase":            {run: cmdDropDatabase, write: true},
		"renameCollection":        {run: cmdRenameCollection, admin: true, write: true},
		"createIndexes":           {run: cmdCreateIndexes, inTxn: true, write: true},
		"dropIndexes":             {run: cmdDropIndexes, write: true},
		"deleteIndexes":           {run: cmdDropIndexes, write: true},
		"collStats":               {run: cmdCollStats},
		"collstats":               {run: cmdCollStats},
		"dbStats":                 {run: cmdDBStats},
		"dbstats":                 {run: cmdDBStats},
		"validate":                {run: cmdValidate},
	}
}

// readCommands are the commands that read.
func readCommands() map[string]command {
	return map[string]command{
		"find":        {run: cmdFind, inTxn: true},
		"aggregate":   {run: cmdAggregate, inTxn: true},
		"count":       {run: cmdCount},
		"distinct":    {run: cmdDistinct, inTxn: true},
		"getMore":     {run: cmdGetMore, inTxn: true},
		"killCursors": {run: cmdKillCursors, inTxn: true},
		"explain":     {run: cmdExplain},
	}
}

// writeCommands are the commands that write.
func writeCommands() map[string]command {
	return map[string]command{
		"insert":        {run: cmdInsert, inTxn: true, retry: true, write: true},
		"update":        {run: cmdUpdate, inTxn: true, retry: true, write: true},
		"delete":        {run: cmdDelete, inTxn: true, retry: true, write: true},
		"findAndModify": {run: cmdFindAndModify, inTxn: true, retry: true, write: true},
		"findandmodify": {run: cmdFindAndModify, inTxn: true, retry: true, write: true},
	}
}

// userCommands are the commands of users.
func userCommands() map[string]command {
	return map[string]command{
		"createUser":               {run: cmdCreateUser, write: true},
		"updateUser":               {run: cmdUpdateUser, write: true},
		"dropUser":                 {run: cmdDropUser, write: true},
		"dropAllUsersFromDatabase": {run: cmdDropAllUsers, write: true},
		"usersInfo":                {run: cmdUsersInfo},
		"grantRolesToUser":         {run: cmdGrantRoles, write: true},
		"revokeRolesFromUser":      {run: cmdGrantRoles, write: true},
		"rolesInfo":                {run: cmdRolesInfo},
	}
}

// sessionCommands are the commands of sessions and transactions.
func sessionCommands() map[string]command {
	return map[string]command{
		"startSession":             {run: cmdStartSession},
		"endSessions":              {run: cmdEndSessions},
		"refreshSessions":          {run: cmdRefreshSessions},
		"killSessions":             {run: cmdKillSessions},
		"killAllSessions":          {run: cmdKillAllSessions},
		"killAllSessionsByPattern": {run: cmdKillAllSessions},
		"commitTransaction":        {run: cmdCommitTransaction, admin: true, inTxn: true},
		"abortTransaction":         {run: cmdAbortTransaction, admin: true, inTxn: true},
	}
}
