package session

// gucTable lists PostgreSQL 15's parameters: name, type (b bool, i integer, r
// real, s string, e enum), who may change it (u anybody, i nobody, p at server
// start, h by the server's configuration, c when connecting), unit or enum
// values or "-", and the value that SHOW prints here by default.
const gucTable = `
allow_in_place_tablespaces b u - off
allow_system_table_mods b u - off
application_name s u -
archive_cleanup_command s h -
archive_command s h - (disabled)
archive_library s h -
archive_mode e p on,off,always off
archive_timeout i h s 0
array_nulls b u - on
authentication_timeout i h s 1min
autovacuum b h - on
autovacuum_analyze_scale_factor r h - 0.1
autovacuum_analyze_threshold i h - 50
autovacuum_freeze_max_age i p - 200000000
autovacuum_max_workers i p - 3
autovacuum_multixact_freeze_max_age i p - 400000000
autovacuum_naptime i h s 1min
autovacuum_vacuum_cost_delay r h ms 2ms
autovacuum_vacuum_cost_limit i h - -1
autovacuum_vacuum_insert_scale_factor r h - 0.2
autovacuum_vacuum_insert_threshold i h - 1000
autovacuum_vacuum_scale_factor r h - 0.2
autovacuum_vacuum_threshold i h - 50
autovacuum_work_mem i h kB -1
backend_flush_after i u 8kB 0
backslash_quote e u safe_encoding,on,off safe_encoding
backtrace_functions s u -
bgwriter_delay i h ms 200ms
bgwriter_flush_after i h 8kB 512kB
bgwriter_lru_maxpages i h - 100
bgwriter_lru_multiplier r h - 2
block_size i i - 8192
bonjour b p - off
bonjour_name s p -
bytea_output e u escape,hex hex
check_function_bodies b u - on
checkpoint_completion_target r h - 0.9
checkpoint_flush_after i h 8kB 256kB
checkpoint_timeout i h s 5min
checkpoint_warning i h s 30s
client_connection_check_interval i u ms 0
client_encoding s u - UTF8
client_min_messages e u debug5,debug4,debug3,debug2,debug1,log,notice,warning,error notice
cluster_name s p -
commit_delay i u - 0
commit_siblings i u - 5
compute_query_id e u auto,regress,on,off auto
config_file s p -
constraint_exclusion e u partition,on,off partition
cpu_index_tuple_cost r u - 0.005
cpu_operator_cost r u - 0.0025
cpu_tuple_cost r u - 0.01
createrole_self_grant s u -
cursor_tuple_fraction r u - 0.1
data_checksums b i - off
data_directory s p -
data_directory_mode i i - 0700
data_sync_retry b p - off
DateStyle s u - ISO, MDY
db_user_namespace b h - off
deadlock_timeout i u ms 1s
debug_assertions b i - off
debug_discard_caches i u - 0
debug_parallel_query e u off,on,regress off
debug_pretty_print b u - on
debug_print_parse b u - off
debug_print_plan b u - off
debug_print_rewritten b u - off
default_statistics_target i u - 100
default_table_access_method s u - heap
default_tablespace s u -
default_text_search_config s u - pg_catalog.english
default_toast_compression e u pglz,lz4 pglz
default_transaction_deferrable b u - off
default_transaction_isolation e u serializable,repeatable@read,read@committed,read@uncommitted read committed
default_transaction_read_only b u - off
dynamic_library_path s u - $libdir
dynamic_shared_memory_type e p posix,sysv,mmap posix
effective_cache_size i u 8kB 4GB
effective_io_concurrency i u - 1
enable_async_append b u - on
enable_bitmapscan b u - on
enable_gathermerge b u - on
enable_group_by_reordering b u - on
enable_hashagg b u - on
enable_hashjoin b u - on
enable_incremental_sort b u - on
enable_indexonlyscan b u - on
enable_indexscan b u - on
enable_material b u - on
enable_memoize b u - on
enable_mergejoin b u - on
enable_nestloop b u - on
enable_parallel_append b u - on
enable_parallel_hash b u - on
enable_partition_pruning b u - on
enable_partitionwise_aggregate b u - off
enable_partitionwise_join b u - off
enable_seqscan b u - on
enable_sort b u - on
enable_tidscan b u - on
escape_string_warning b u - on
event_source s p - PostgreSQL
exit_on_error b u - off
external_pid_file s p -
extra_float_digits i u - 1
force_parallel_mode e u off,on,regress off
from_collapse_limit i u - 8
fsync b h - on
full_page_writes b h - on
geqo b u - on
geqo_effort i u - 5
geqo_generations i u - 0
geqo_pool_size i u - 0
geqo_seed r u - 0
geqo_selection_bias r u - 2
geqo_threshold i u - 12
gin_fuzzy_search_limit i u - 0
gin_pending_list_limit i u kB 4MB
hash_mem_multiplier r u - 2
hba_file s p -
hot_standby b p - on
hot_standby_feedback b h - off
huge_page_size i p kB 0
huge_pages e p off,on,try try
icu_validation_level e u disabled,debug5,debug4,debug3,debug2,debug1,log,notice,warning,error warning
ident_file s p -
idle_in_transaction_session_timeout i u ms 0
idle_session_timeout i u ms 0
ignore_checksum_failure b u - off
ignore_invalid_pages b p - off
ignore_system_indexes b c - off
in_hot_standby b i - off
integer_datetimes b i - on
IntervalStyle e u postgres,postgres_verbose,sql_standard,iso_8601 postgres
is_superuser b i - on
jit b u - off
jit_above_cost r u - 100000
jit_debugging_support b c - off
jit_dump_bitcode b u - off
jit_expressions b u - on
jit_inline_above_cost r u - 500000
jit_optimize_above_cost r u - 500000
jit_profiling_support b c - off
jit_provider s p - llvmjit
jit_tuple_deforming b u - on
join_collapse_limit i u - 8
krb_caseins_users b h - off
krb_server_keyfile s h -
lc_collate s i - C
lc_ctype s i - C.UTF-8
lc_messages s u - C
lc_monetary s u - C
lc_numeric s u - C
lc_time s u - C
listen_addresses s p - localhost
lo_compat_privileges b u - off
local_preload_libraries s u -
lock_timeout i u ms 0
log_autovacuum_min_duration i h ms 10min
log_checkpoints b h - on
log_connections b c - off
log_destination s h - stderr
log_directory s h - log
log_disconnections b c - off
log_duration b u - off
log_error_verbosity e u terse,default,verbose default
log_executor_stats b u - off
log_file_mode i h - 0600
log_filename s h - postgresql-%Y-%m-%d_%H%M%S.log
log_hostname b h - off
log_line_prefix s h - %m [%p]
log_lock_waits b u - off
log_min_duration_sample i u ms -1
log_min_duration_statement i u ms -1
log_min_error_statement e u debug5,debug4,debug3,debug2,debug1,info,notice,warning,error,log,fatal,panic error
log_min_messages e u debug5,debug4,debug3,debug2,debug1,info,notice,warning,error,log,fatal,panic warning
log_parameter_max_length i u B -1
log_parameter_max_length_on_error i u B 0
log_parser_stats b u - off
log_planner_stats b u - off
log_recovery_conflict_waits b h - off
log_replication_commands b u - off
log_rotation_age i h min 1d
log_rotation_size i h kB 10MB
log_startup_progress_interval i h ms 10s
log_statement e u none,ddl,mod,all none
log_statement_sample_rate r u - 1
log_statement_stats b u - off
log_temp_files i u kB -1
log_timezone s h - UTC
log_transaction_sample_rate r u - 0
log_truncate_on_rotation b h - off
logging_collector b p - off
logical_decoding_work_mem i u kB 64MB
maintenance_io_concurrency i u - 10
maintenance_work_mem i u kB 64MB
max_connections i p - 100
max_files_per_process i p - 1000
max_function_args i i - 100
max_identifier_length i i - 63
max_index_keys i i - 32
max_locks_per_transaction i p - 64
max_logical_replication_workers i p - 4
max_parallel_maintenance_workers i u - 2
max_parallel_workers i u - 8
max_parallel_workers_per_gather i u - 2
max_pred_locks_per_page i h - 2
max_pred_locks_per_relation i h - -2
max_pred_locks_per_transaction i p - 64
max_prepared_transactions i p - 0
max_replication_slots i p - 10
max_slot_wal_keep_size i h MB -1
max_stack_depth i u kB 2MB
max_standby_archive_delay i h ms 30s
max_standby_streaming_delay i h ms 30s
max_sync_workers_per_subscription i h - 2
max_wal_senders i p - 10
max_wal_size i h MB 1GB
max_worker_processes i p - 8
min_dynamic_shared_memory i p MB 0
min_parallel_index_scan_size i u 8kB 512kB
min_parallel_table_scan_size i u 8kB 8MB
min_wal_size i h MB 80MB
old_snapshot_threshold i p min -1
parallel_leader_participation b u - on
parallel_setup_cost r u - 1000
parallel_tuple_cost r u - 0.1
password_encryption e u md5,scram-sha-256 scram-sha-256
plan_cache_mode e u auto,force_generic_plan,force_custom_plan auto
port i p - 5432
post_auth_delay i c s 0
pre_auth_delay i h s 0
primary_conninfo s h -
primary_slot_name s h -
promote_trigger_file s h -
quote_all_identifiers b u - off
random_page_cost r u - 4
recovery_end_command s h -
recovery_init_sync_method e h fsync,syncfs fsync
recovery_min_apply_delay i h ms 0
recovery_prefetch e h off,on,try try
recovery_target s p -
recovery_target_action e p pause,promote,shutdown pause
recovery_target_inclusive b p - on
recovery_target_lsn s p -
recovery_target_name s p -
recovery_target_time s p -
recovery_target_timeline s p - latest
recovery_target_xid s p -
recursive_worktable_factor r u - 10
remove_temp_files_after_crash b h - on
reserved_connections i p - 0
restart_after_crash b h - on
restore_command s h -
role s u - none
row_security b u - on
scram_iterations i u - 4096
search_path s u - public, weir
segment_size i i 8kB 1GB
seed r u - 0
send_abort_for_crash b h - off
seq_page_cost r u - 1
server_encoding s i - UTF8
server_version s i -
server_version_num i i -
session_authorization s u -
session_preload_libraries s u -
session_replication_role e u origin,replica,local origin
shared_buffers i p 8kB 128MB
shared_memory_size i i MB 143MB
shared_memory_size_in_huge_pages i i - 72
shared_memory_type e p sysv,mmap mmap
shared_preload_libraries s p -
ssl b h - off
ssl_ca_file s h -
ssl_cert_file s h -
ssl_ciphers s h -
ssl_crl_dir s h -
ssl_crl_file s h -
ssl_dh_params_file s h -
ssl_ecdh_curve s h - prime256v1
ssl_key_file s h -
ssl_library s i -
ssl_max_protocol_version e h TLSv1,TLSv1.1,TLSv1.2,TLSv1.3
ssl_min_protocol_version e h TLSv1,TLSv1.1,TLSv1.2,TLSv1.3 TLSv1.2
ssl_passphrase_command s h -
ssl_passphrase_command_supports_reload b h - off
ssl_prefer_server_ciphers b h - on
standard_conforming_strings b u - on
statement_timeout i u ms 0
stats_fetch_consistency e u none,cache,snapshot cache
superuser_reserved_connections i p - 3
synchronize_seqscans b u - on
synchronous_commit e u local,remote_write,remote_apply,on,off on
synchronous_standby_names s h -
syslog_facility e h local0,local1,local2,local3,local4,local5,local6,local7 local0
syslog_ident s h - postgres
syslog_sequence_numbers b h - on
syslog_split_messages b h - on
tcp_keepalives_count i u - 0
tcp_keepalives_idle i u s 0
tcp_keepalives_interval i u s 0
tcp_user_timeout i u ms 0
temp_buffers i u 8kB 8MB
temp_file_limit i u kB -1
temp_tablespaces s u -
TimeZone s u - UTC
timezone_abbreviations s u - Default
trace_notify b u - off
trace_recovery_messages e h debug5,debug4,debug3,debug2,debug1,log,notice,warning,error log
trace_sort b u - off
track_activities b u - on
track_activity_query_size i p B 1kB
track_commit_timestamp b p - off
track_counts b u - on
track_functions e u none,pl,all none
track_io_timing b u - off
track_wal_io_timing b u - off
transaction_deferrable b u - off
transaction_isolation e u serializable,repeatable@read,read@committed,read@uncommitted read committed
transaction_read_only b u - off
transaction_timeout i u ms 0
transform_null_equals b u - off
unix_socket_directories s p -
unix_socket_group s p -
unix_socket_permissions i p - 0777
update_process_title b u - on
vacuum_buffer_usage_limit i u kB 256kB
vacuum_cost_delay r u ms 0
vacuum_cost_limit i u - 200
vacuum_cost_page_dirty i u - 20
vacuum_cost_page_hit i u - 1
vacuum_cost_page_miss i u - 2
vacuum_defer_cleanup_age i h - 0
vacuum_failsafe_age i u - 1600000000
vacuum_freeze_min_age i u - 50000000
vacuum_freeze_table_age i u - 150000000
vacuum_multixact_failsafe_age i u - 1600000000
vacuum_multixact_freeze_min_age i u - 5000000
vacuum_multixact_freeze_table_age i u - 150000000
wal_block_size i i - 8192
wal_buffers i p 8kB 4MB
wal_compression e u pglz,lz4,zstd,on,off off
wal_consistency_checking s u -
wal_decode_buffer_size i p B 512kB
wal_init_zero b u - on
wal_keep_size i h MB 0
wal_level e p minimal,replica,logical replica
wal_log_hints b p - off
wal_receiver_create_temp_slot b h - off
wal_receiver_status_interval i h s 10s
wal_receiver_timeout i h ms 1min
wal_recycle b u - on
wal_retrieve_retry_interval i h ms 5s
wal_segment_size i i B 16MB
wal_sender_timeout i u ms 1min
wal_skip_threshold i u kB 2MB
wal_sync_method e h fsync,fdatasync,open_sync,open_datasync fdatasync
wal_writer_delay i h ms 200ms
wal_writer_flush_after i h 8kB 1MB
work_mem i u kB 100MB
xmlbinary e u base64,hex base64
xmloption e u content,document content
zero_damaged_pages b u - off
weir.collation s u - C
weir.flatten_documents b u - off
weir.schema_sample_size i p - 1000
weir.strict b u - off
`
