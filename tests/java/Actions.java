import java.util.ArrayList;
import java.util.List;
import javax.swing.JList;
import uk.ac.starlink.topcat.ControlWindow;
import uk.ac.starlink.topcat.TopcatModel;
import uk.ac.starlink.topcat.activate.ActivationEntry;
import uk.ac.starlink.topcat.activate.ActivationWindow;

/** TOPCAT's window of what a table's rows can do. */
final class Actions {
    final ActivationWindow window;
    private final JList<?> list;

    private Actions(ActivationWindow window) {
        this.window = window;
        this.list = Screen.find(window, JList.class, found -> found.getModel().getSize() > 0
                && found.getModel().getElementAt(0) instanceof ActivationEntry);
    }

    /** Opens it from the menu, for a table of the list. */
    static Actions open(ControlWindow control, TopcatModel table) throws Exception {
        Screen.at(() -> {
            control.getTablesList().setSelectedValue(table, true);
            Screen.menuItem(control.getJMenuBar(), "Activation Actions").doClick();
        });
        Screen.until("the window of actions opens", () -> table.getActivationWindow().isShowing());
        return new Actions(table.getActivationWindow());
    }

    /** The actions that TOPCAT lists by itself, best first. */
    List<String> listed() {
        List<String> names = new ArrayList<>();
        for (int i = 0; i < list.getModel().getSize(); i++) {
            names.add(((ActivationEntry) list.getModel().getElementAt(i)).getType().getName());
        }
        return names;
    }

    /** The action whose settings are shown. */
    String chosen() {
        return ((ActivationEntry) list.getSelectedValue()).getType().getName();
    }

    void choose(String name) {
        list.setSelectedIndex(listed().indexOf(name));
    }

    /** Presses the button for the row that was clicked last. */
    void invoke() {
        Screen.menuItem(window.getJMenuBar(), "Invoke selected action on current row").doClick();
    }

    /** Presses the button for all rows of the current subset. */
    void invokeOnAll() {
        Screen.menuItem(window.getJMenuBar(), "Invoke selected action on all rows").doClick();
    }
}
