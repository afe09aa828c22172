import type { SignedIn } from "../services/identity";
import { ViewerSwitch } from "./ViewerSwitch";

interface Props {
  user: SignedIn | null;
  become: (user: SignedIn | null) => void;
}

export function PageHeader({ user, become }: Props) {
  return (
    <header className="page-header">
      <h1>Explore</h1>
      <ViewerSwitch user={user} become={become} />
    </header>
  );
}
