"""The most that anybody could save who knew every access in advance: a bound for any policy."""
