int shoal_is_not_in_here(void);
int shoal_is_not_in_here(void) { return 0; }
