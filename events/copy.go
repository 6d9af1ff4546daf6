package events

// copyOption sets one option of dst to what src has.
func copyOption(dst, src *Spec, name string) {
	switch name {
	case "subscription_id":
		dst.ID = src.ID
	case "service_name":
		dst.ServiceName = src.ServiceName
	case "description":
		dst.Description = src.Description
	case "created_by":
		dst.CreatedBy = src.CreatedBy
	case "tags":
		dst.Tags = src.Tags
	case "watch_collections":
		dst.Collections = src.Collections
	case "event_types":
		dst.EventTypes = src.EventTypes
	case "update_fields":
		dst.UpdateFields = src.UpdateFields
	case "event_filter":
		dst.Filter = src.Filter
	case "where":
		dst.Where = src.Where
	case "full_document":
		dst.FullDocument = src.FullDocument
	case "full_document_before_change":
		dst.FullDocumentBeforeChange = src.FullDocumentBeforeChange
	case "on_history_lost":
		dst.OnHistoryLost = src.OnHistoryLost
	case "on_collection_drop":
		dst.OnCollectionDrop = src.OnCollectionDrop
	default:
		copyDeliveryOption(dst, src, name)
	}
}

func copyDeliveryOption(dst, src *Spec, name string) {
	switch name {
	case "target":
		dst.Target = src.Target
	case "connection":
		dst.Connection = src.Connection
	case "secret":
		dst.Secrets = src.Secrets
	case "headers":
		dst.Headers = src.Headers
	case "payload_format":
		dst.PayloadFormat = src.PayloadFormat
	case "transform":
		dst.Transform = src.Transform
	case "batch_processing":
		dst.Batch = src.Batch
	case "batch_size":
		dst.BatchSize = src.BatchSize
	case "batch_wait_ms":
		dst.BatchWaitMS = src.BatchWaitMS
	case "preserve_order":
		dst.PreserveOrder = src.PreserveOrder
	case "ordering_key":
		dst.OrderingKey = src.OrderingKey
	case "delivery_shards":
		dst.DeliveryShards = src.DeliveryShards
	case "tracking":
		dst.Tracking = src.Tracking
	case "retention":
		dst.Retention = src.Retention
	case "inbox":
		dst.Inbox = src.Inbox
	case "dedupe_window":
		dst.DedupeWindow = src.DedupeWindow
	default:
		copyRetryOption(dst, src, name)
	}
}

func copyRetryOption(dst, src *Spec, name string) {
	switch name {
	case "max_retry_attempts":
		dst.MaxRetryAttempts = src.MaxRetryAttempts
	case "retry_delay_ms":
		dst.RetryDelayMS = src.RetryDelayMS
	case "max_retry_delay_ms":
		dst.MaxRetryDelayMS = src.MaxRetryDelayMS
	case "exponential_backoff":
		dst.ExponentialBackoff = src.ExponentialBackoff
	case "max_age":
		dst.MaxAge = src.MaxAge
	case "retry_statuses":
		dst.RetryStatuses = src.RetryStatuses
	case "terminal_statuses":
		dst.TerminalStatuses = src.TerminalStatuses
	case "processing_timeout_ms":
		dst.TimeoutMS = src.TimeoutMS
	case "dead_letter_queue_enabled":
		dst.DeadLetters = src.DeadLetters
	case "on_dead_letter":
		dst.OnDeadLetter = src.OnDeadLetter
	case "correlation_path":
		dst.CorrelationPath = src.CorrelationPath
	case "causation_path":
		dst.CausationPath = src.CausationPath
	case "process_path":
		dst.ProcessPath = src.ProcessPath
	case "source_service":
		dst.SourceService = src.SourceService
	case "target_service":
		dst.TargetService = src.TargetService
	case "interaction_type":
		dst.InteractionType = src.InteractionType
	}
}
